import { ActionForm, type ActionFormOptions } from './action-form.js';
import { build } from './build.js';
import { Field, optionalLabel } from './field.js';
import type { DialogContent } from './modal-dialog.js';
import { newIdempotencyKey, type RequestFailure } from './token-client.js';
import { descriptionInput, nameInput, TokenForm } from './token-form.js';
import { type IssuedToken, maskOf, type Token, type TokenChoices } from './token.js';
import type { ViewContext } from './view-context.js';

/** How a dialog ends. */
export interface DialogEnd<Result> {
  readonly done: (result: Result) => void;
  readonly close: () => void;
  /** @returns whether it has taken care of the failure */
  readonly onFailure: (failure: RequestFailure) => boolean;
}

type Form = Omit<ActionFormOptions, 'say' | 'close' | 'onFailure' | 'cancel'> & { readonly cancel?: string };

export function createDialog(context: ViewContext, choices: TokenChoices, end: DialogEnd<IssuedToken>): DialogContent {
  const { say, client } = context;
  const form = new TokenForm(context, choices);
  // The same request can be repeated with the same key: the expiry must not move between attempts.
  let attempt: { readonly body: object; readonly key: string } | undefined;
  const content = formOf(context, end, {
    submit: say('createSubmit'),
    contents: form.contents,
    fields: form.fields,
    fieldOf: form.fieldOf,
    check: () => form.check(),
    act: async () => {
      attempt ??= { body: form.body, key: newIdempotencyKey() };
      end.done(await client.create(attempt.body, attempt.key));
    },
  });
  for (const change of ['input', 'change']) content.body.addEventListener(change, () => (attempt = undefined));
  return { title: say('createTitle'), ...content, focus: form.first };
}

export function editDialog(context: ViewContext, token: Token, end: DialogEnd<Token>): DialogContent {
  const { say, client } = context;
  const name = new Field(nameInput('', token.name), 'name', say('name'));
  const label = optionalLabel(say('description'), say('optional'));
  const description = new Field(descriptionInput(token.description ?? ''), 'description', label);
  const content = formOf(context, end, {
    submit: say('editSubmit'),
    contents: [name.element, description.element],
    fields: [name, description],
    fieldOf: (code) => (code.includes('name') ? name : code.includes('description') ? description : undefined),
    check: () => {
      if (name.control.value.trim() === '') name.fail(say('nameRequired'));
    },
    act: async () => {
      const changes = { name: name.control.value, description: description.control.value || null };
      end.done(await client.update(token.id, changes));
    },
  });
  return { title: say('editTitle', { name: token.name }), ...content, focus: name.control };
}

/** The choices of a grace period, in seconds. */
const GRACES = [
  ['graceNow', 0],
  ['graceHour', 3600],
  ['graceDay', 86_400],
  ['graceWeek', 604_800],
] as const;

/** The successor, and what becomes of the old token. */
export interface RotatedToken extends IssuedToken {
  readonly note: string;
}

export function rotateDialog(context: ViewContext, token: Token, end: DialogEnd<RotatedToken>): DialogContent {
  const { say, client } = context;
  const note = build('p', { part: 'note', 'aria-live': 'polite' });
  const graces = build(
    'fieldset',
    { part: 'field', onchange: () => update() },
    build('legend', {}, say('graceLegend')),
  );
  let attempt: { readonly grace: number; readonly key: string } | undefined;
  const chosen = () => Number(graces.querySelector<HTMLInputElement>('input:checked')?.value);
  const update = () => (note.textContent = noteOf(context, token, chosen()));
  graces.append(
    ...GRACES.map(([label, seconds]) =>
      build(
        'label',
        { part: 'choice' },
        build('input', { type: 'radio', name: 'grace', value: String(seconds), checked: seconds === 0 }),
        build(
          'span',
          { part: 'choice-text' },
          say(label),
          seconds === 0 && build('span', { part: 'hint' }, say('graceNowHint')),
        ),
      ),
    ),
  );
  update();
  const content = formOf(context, end, {
    submit: say('rotateSubmit'),
    contents: [build('p', {}, say('rotateText')), graces, note],
    act: async () => {
      const grace = chosen();
      if (attempt?.grace !== grace) attempt = { grace, key: newIdempotencyKey() };
      const issued = await client.rotate(token.id, grace, attempt.key);
      end.done({ ...issued, note: noteOf(context, token, grace) });
    },
  });
  return { title: say('rotateTitle', { name: token.name }), ...content };
}

/** What becomes of the old token: it never outlives its own expiry. */
function noteOf({ say, times }: ViewContext, token: Token, grace: number): string {
  const mask = maskOf(token);
  if (grace === 0) return say('oldStopsNow', { mask });
  const end = Math.min(Date.now() + grace * 1000, token.expiresAt === null ? Infinity : Date.parse(token.expiresAt));
  return say('oldStopsAt', { mask, time: times.exact(new Date(end)) });
}

export function revokeDialog(context: ViewContext, token: Token, end: DialogEnd<undefined>): DialogContent {
  const { say, client } = context;
  const content = formOf(context, end, {
    submit: say('revokeSubmit'),
    cancel: say('revokeCancel'),
    danger: true,
    contents: [build('p', {}, say('revokeText', { mask: maskOf(token) }))],
    act: async () => {
      await client.revoke(token.id);
      end.done(undefined);
    },
  });
  return { title: say('revokeTitle', { name: token.name }), ...content };
}

export function revokeAllDialog(context: ViewContext, end: DialogEnd<number>): DialogContent {
  const { say, client } = context;
  const content = formOf(context, end, {
    submit: say('revokeAllSubmit'),
    cancel: say('revokeAllCancel'),
    danger: true,
    contents: [build('p', {}, say('revokeAllText'))],
    act: async () => {
      end.done(await client.revokeAll());
    },
  });
  return { title: say('revokeAllTitle'), ...content };
}

function formOf<Result>(
  { say }: ViewContext,
  end: DialogEnd<Result>,
  options: Form,
): Pick<DialogContent, 'body' | 'mayClose'> {
  const form = new ActionForm({ say, cancel: say('cancel'), close: end.close, onFailure: end.onFailure, ...options });
  return { body: form.element, mayClose: () => form.mayClose };
}
