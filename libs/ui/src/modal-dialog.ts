import { build, buildButton } from './build.js';

/** What a dialog shows. */
export interface DialogContent {
  readonly title: string;
  readonly body: Node;
  /** Gets the focus. @default the title */
  readonly focus?: HTMLElement;
  /** Asked before Escape and the close button close the dialog. @default yes */
  readonly mayClose?: () => boolean;
}

/**
 * The one dialog of the element. The browser keeps the focus inside and makes the page behind it inert. When it closes, nothing
 * of its content is left, and the focus returns to the control that opened it.
 */
export class ModalDialog {
  readonly element: HTMLDialogElement;
  private readonly title = build('h2', { id: 'dialog-title', part: 'dialog-title', tabindex: '-1' });
  private readonly body = build('div', { part: 'dialog-body' });
  private content: DialogContent | undefined;
  private opener: HTMLElement | undefined;

  /** @param refocus gives the focus to another control when the one that opened the dialog is not on the page any more */
  constructor(
    closeLabel: string,
    private readonly refocus: (opener: HTMLElement | undefined) => void,
  ) {
    const closeButton = buildButton('icon', '×', () => this.tryClose(), closeLabel);
    this.element = build(
      'dialog',
      {
        part: 'dialog',
        'aria-labelledby': 'dialog-title',
        // A browser closes a dialog at the second Escape, whatever the page says, unless it never sees the key.
        onkeydown: (event) => {
          if ((event as KeyboardEvent).key === 'Escape' && !this.mayClose) event.preventDefault();
        },
        oncancel: (event) => {
          event.preventDefault();
          this.tryClose();
        },
        onclose: () => this.clear(),
      },
      build('header', { part: 'dialog-head' }, this.title, closeButton),
      this.body,
    );
  }

  get isOpen(): boolean {
    return this.element.open;
  }

  /** Opens the dialog, or replaces what it shows. */
  show(content: DialogContent, opener?: HTMLElement): void {
    if (opener) this.opener = opener;
    this.content = content;
    this.title.textContent = content.title;
    this.body.replaceChildren(content.body);
    if (!this.element.open) this.element.showModal();
    (content.focus ?? this.title).focus();
  }

  /** Whether it shows this content now. */
  shows(content: DialogContent): boolean {
    return this.content === content;
  }

  close(): void {
    this.element.close();
    // The event of the browser comes later, and a secret must not wait for it.
    this.clear();
  }

  private get mayClose(): boolean {
    return this.content?.mayClose?.() ?? true;
  }

  private tryClose(): void {
    if (this.mayClose) this.close();
  }

  private clear(): void {
    if (!this.content) return;
    this.content = undefined;
    this.title.textContent = '';
    this.body.replaceChildren();
    const { opener } = this;
    this.opener = undefined;
    if (opener?.isConnected && opener.checkVisibility()) opener.focus();
    else this.refocus(opener);
  }
}
