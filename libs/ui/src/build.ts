export type Child = Node | string | null | undefined | false;

interface Attributes {
  /** The names of the part, for `::part()`; the style sheet of the element uses the same names as classes. */
  readonly part?: string;
  readonly [name: string]: string | boolean | ((event: Event) => void) | undefined;
}

/**
 * Creates an element. Texts become text nodes and attributes are set by name, so that nothing that the API returns can become
 * markup or a script. A function is the listener of the event that its name has, such as `onclick`.
 */
export function build<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (typeof value === 'string') element.setAttribute(name, value);
  }
  if (attributes.part !== undefined) element.className = attributes.part;
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function buildButton(part: string, text: string, act: () => void, label?: string): HTMLButtonElement {
  return build('button', { type: 'button', part: `button ${part}`, onclick: act, 'aria-label': label }, text);
}
