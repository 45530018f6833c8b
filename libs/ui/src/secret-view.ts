import { build, buildButton } from './build.js';
import type { DialogContent } from './modal-dialog.js';
import { curlOf, type ViewContext } from './view-context.js';

/**
 * Shows a raw token once. Nothing but the text of the dialog holds it, and that is removed when the dialog closes.
 *
 * @param note what becomes of the token that it replaces
 */
export function secretView(
  context: ViewContext,
  name: string,
  rawToken: string,
  note: string | undefined,
  close: () => void,
): DialogContent {
  const { say } = context;
  const status = build('p', { part: 'copy-status', role: 'status' });
  let copied = false;
  let warned = false;
  const secret = build('code', { part: 'secret', id: 'raw-token' }, rawToken);
  const example = build('code', { part: 'secret example' }, curlOf(context, rawToken));
  const copy = (source: HTMLElement) => {
    copied = true;
    void copyText(source).then((done) => (status.textContent = say(done ? 'copied' : 'selected')));
  };
  const copyButton = buildButton('primary', say('copy'), () => copy(secret));
  const done = buildButton('quiet', say('issuedDone'), close);
  const body = build(
    'div',
    { part: 'form issued' },
    build(
      'div',
      { part: 'form-body' },
      build('p', { part: 'warning' }, say('issuedWarning')),
      note !== undefined && build('p', { part: 'note' }, note),
      build('div', { part: 'secret-row' }, secret, copyButton),
      build('h3', { part: 'example-title' }, say('issuedExample')),
      build(
        'div',
        { part: 'secret-row' },
        example,
        buildButton('quiet', say('copy'), () => copy(example), `${say('copy')}: ${say('issuedExample')}`),
      ),
      status,
    ),
    build('div', { part: 'dialog-actions' }, done),
  );
  return {
    title: say('issuedTitle', { name }),
    body,
    focus: copyButton,
    mayClose: () => {
      if (copied || warned) return true;
      warned = true;
      status.textContent = say('issuedLeave');
      return false;
    },
  };
}

/** @returns false where the clipboard is not allowed, and the text is selected instead */
async function copyText(source: HTMLElement): Promise<boolean> {
  try {
    // Outside of localhost, the clipboard needs HTTPS.
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    getSelection()?.selectAllChildren(source);
    return false;
  }
}
