import { build, buildButton, type Child } from './build.js';
import type { Field } from './field.js';
import type { Say } from './texts.js';
import { failureIn, type RequestFailure } from './token-client.js';

export interface ActionFormOptions {
  readonly say: Say;
  readonly submit: string;
  readonly cancel: string;
  readonly danger?: boolean;
  readonly contents: readonly Child[];
  /** The fields, in their order. */
  readonly fields?: readonly Field[];
  /** Which field an error of the API belongs to. */
  readonly fieldOf?: (code: string) => Field | undefined;
  /** Checks the fields, and marks those with errors. */
  readonly check?: () => void;
  readonly act: () => Promise<void>;
  readonly close: () => void;
  /** @returns whether it has taken care of the failure */
  readonly onFailure: (failure: RequestFailure) => boolean;
}

/** A form that sends one request. It keeps its input when the request fails, sends it once at a time, and waits for the answer. */
export class ActionForm {
  readonly element: HTMLFormElement;
  private readonly alert = build('p', { part: 'error alert', role: 'alert' });
  private readonly submitButton: HTMLButtonElement;
  private busy = false;

  constructor(private readonly options: ActionFormOptions) {
    const { submit, cancel, danger, contents, close } = options;
    const part = `button ${danger ? 'danger-solid' : 'primary'}`;
    this.submitButton = build('button', { type: 'submit', part }, submit);
    const cancelButton = buildButton('quiet', cancel, () => {
      if (this.mayClose) close();
    });
    const footer = build('div', { part: 'dialog-actions' }, cancelButton, this.submitButton);
    this.element = build(
      'form',
      { part: 'form', novalidate: true, onsubmit: (event) => this.submit(event) },
      build('div', { part: 'form-body' }, ...contents, this.alert),
      footer,
    );
  }

  /** Not before the answer, which can have a raw token. */
  get mayClose(): boolean {
    return !this.busy;
  }

  private submit(event: Event): void {
    event.preventDefault();
    if (!this.busy) void this.send();
  }

  private async send(): Promise<void> {
    const { fields = [], check, act, say } = this.options;
    this.alert.textContent = '';
    for (const field of fields) field.fail(undefined);
    check?.();
    const invalid = fields.find(({ failed }) => failed);
    if (invalid) {
      invalid.focus();
      return;
    }
    this.setBusy(say('working'));
    try {
      await act();
    } catch (error) {
      const failure = failureIn(error);
      if (failure) this.fail(failure);
    } finally {
      this.setBusy(undefined);
    }
  }

  private fail(failure: RequestFailure): void {
    if (this.options.onFailure(failure)) return;
    const field = this.options.fieldOf?.(failure.code);
    field?.fail(failure.message);
    if (field) field.focus();
    else this.alert.textContent = messageOf(failure, this.options.say);
  }

  /** The button keeps the focus, which a disabled one would lose. */
  private setBusy(text: string | undefined): void {
    this.busy = text !== undefined;
    this.element.setAttribute('aria-busy', String(this.busy));
    this.submitButton.setAttribute('aria-disabled', String(this.busy));
    this.submitButton.textContent = text ?? this.options.submit;
  }
}

/** What people read about a failure: the message of the API, unless the status says all. */
export function messageOf({ status, message, retryAfter }: RequestFailure, say: Say): string {
  if (status === 401) return say('unauthenticated');
  if (status === 429) return say('tooManyRequests', { count: retryAfter ?? 1 });
  if (status === 0 || status >= 500) return say('unavailable');
  return message;
}
