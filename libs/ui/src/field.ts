import { build, type Child } from './build.js';

type Control = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement | HTMLFieldSetElement;

/** A control with its label, its hint and the error that belongs to it. */
export class Field<C extends Control = Control> {
  readonly element: HTMLElement;
  private readonly error: HTMLElement;

  /** @param name unique in the form: the ids derive from it */
  constructor(
    readonly control: C,
    name: string,
    label: Child,
    hint?: Child,
  ) {
    control.id = name;
    this.error = build('p', { part: 'error', id: `${name}-error`, hidden: true });
    const described = [`${name}-error`, ...(hint ? [`${name}-hint`] : [])].join(' ');
    control.setAttribute('aria-describedby', described);
    const below = [...(hint ? [build('p', { part: 'hint', id: `${name}-hint` }, hint)] : []), this.error];
    if (control instanceof HTMLFieldSetElement) {
      control.prepend(build('legend', {}, label), ...below);
      control.tabIndex = -1;
      this.element = control;
    } else {
      this.element = build('div', { part: 'field' }, build('label', { for: name }, label), control, ...below);
    }
  }

  /** Shows an error, or removes it. */
  fail(message: string | undefined): void {
    this.error.textContent = message ?? '';
    this.error.hidden = message === undefined;
    if (message === undefined) this.control.removeAttribute('aria-invalid');
    else this.control.setAttribute('aria-invalid', 'true');
  }

  get failed(): boolean {
    return !this.error.hidden;
  }

  focus(): void {
    // A field in closed details cannot get the focus.
    this.element.closest('details')?.setAttribute('open', '');
    // A group cannot be edited, but its first choice.
    const { control } = this;
    (control instanceof HTMLFieldSetElement ? (control.querySelector('input') ?? control) : control).focus();
  }
}

export function optionalLabel(label: string, optional: string): HTMLElement {
  return build('span', {}, `${label} `, build('span', { part: 'optional' }, `(${optional})`));
}
