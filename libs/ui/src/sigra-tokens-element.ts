import { styleSheet } from './styles.js';
import type { Texts } from './texts.js';
import type { RequestHeaders } from './token-client.js';
import { TokenManager } from './token-manager.js';
import type { TokenOwner } from './token.js';

const DEFAULT_BASE = '/api/tokens';
/** In an address such as `/api/tokens/owners/organization/42`. */
const OWNER_TYPE = /\/owners\/([^/]+)\/[^/]+\/?$/;

/**
 * `<sigra-tokens base="/api/tokens">`: lists the API tokens of the user, or of another owner, and creates, changes, rotates and
 * revokes them, with the ready-made controllers of `nestjs-sigra`.
 *
 * | attribute       | meaning                                                                  | default                       |
 * | --------------- | ------------------------------------------------------------------------ | ----------------------------- |
 * | `base`          | the address of the controller of tokens                                  | `/api/tokens`                 |
 * | `scopes`        | the address of the controller of scopes                                  | `scopes` beside `base`        |
 * | `owner-type`    | the type of the owner, whose kinds of tokens the form offers             | that in `base`, or `user`     |
 * | `hidden-scopes` | scopes that the form does not offer, separated by spaces                 | none                          |
 * | `example`       | the address in the `curl` command                                        | `base`                        |
 * | `page-size`     | tokens per request, at most `apiTokens.maxPageSize`                      | that of the application       |
 * | `credentials`   | whether requests have cookies: see `fetch()`                             | `same-origin`                 |
 * | `lang`          | the language of times and numbers                                        | that of the document          |
 *
 * Raw tokens are never stored and never in an event.
 */
export class SigraTokensElement extends HTMLElement {
  static readonly observedAttributes = [
    'base',
    'scopes',
    'owner-type',
    'hidden-scopes',
    'example',
    'page-size',
    'credentials',
    'lang',
  ];

  private ownHeaders: RequestHeaders | undefined;
  private ownTexts: Partial<Texts> = {};
  private ownNameOfOwner: ((owner: TokenOwner) => string) | undefined;
  private manager: TokenManager | undefined;
  private restarts = false;

  constructor() {
    super();
    this.attachShadow({ mode: 'open' }).adoptedStyleSheets = [styleSheet()];
  }

  /**
   * Headers of every request, or a function that returns them: for an access token in memory, for example. Later ones are for
   * the next request.
   */
  get headers(): RequestHeaders {
    return this.ownHeaders ?? {};
  }

  set headers(headers: RequestHeaders) {
    // Frameworks set a new function whenever they render: only the first can mend requests that were sent without.
    const isFirst = this.ownHeaders === undefined;
    this.ownHeaders = headers;
    if (isFirst) this.restart();
  }

  /** Texts that replace the English ones. */
  get texts(): Partial<Texts> {
    return this.ownTexts;
  }

  set texts(texts: Partial<Texts>) {
    const isSame = JSON.stringify(texts) === JSON.stringify(this.ownTexts);
    this.ownTexts = texts;
    if (!isSame) this.restart();
  }

  /** Names the owner that made a token. @default its type and id */
  get nameOfOwner(): ((owner: TokenOwner) => string) | undefined {
    return this.ownNameOfOwner;
  }

  set nameOfOwner(nameOfOwner: ((owner: TokenOwner) => string) | undefined) {
    this.ownNameOfOwner = nameOfOwner;
    this.manager?.list.render();
  }

  connectedCallback(): void {
    // A page can set them before it has loaded this module.
    for (const name of ['headers', 'texts', 'nameOfOwner'] as const) {
      const own = Object.getOwnPropertyDescriptor(this, name);
      if (own && Reflect.deleteProperty(this, name)) Reflect.set(this, name, own.value);
    }
    this.start();
  }

  disconnectedCallback(): void {
    this.stop();
  }

  attributeChangedCallback(_name: string, before: string | null, after: string | null): void {
    if (before !== after) this.restart();
  }

  /** Loads the list again. */
  async reload(): Promise<void> {
    await this.manager?.list.reload();
  }

  private start(): void {
    if (this.manager || !this.isConnected) return;
    const base = this.getAttribute('base') ?? DEFAULT_BASE;
    const manager = new TokenManager({
      base,
      scopes: this.getAttribute('scopes') ?? base.replace(/[^/]+\/*$/, 'scopes'),
      headers: () => this.headers,
      credentials: (this.getAttribute('credentials') ?? 'same-origin') as RequestCredentials,
      lang: languageOf(this),
      texts: this.ownTexts,
      exampleUrl: this.getAttribute('example') ?? base,
      pageSize: this.getAttribute('page-size'),
      ownerType: this.getAttribute('owner-type') ?? OWNER_TYPE.exec(base)?.[1] ?? 'user',
      hiddenScopes: new Set(this.getAttribute('hidden-scopes')?.split(/\s+/)),
      nameOfOwner: (owner) => this.nameOfOwner?.(owner),
      publish: (type, detail) =>
        void this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true })),
    });
    this.manager = manager;
    this.shadowRoot?.replaceChildren(manager.list.element, manager.dialog.element);
    manager.start();
  }

  private stop(): void {
    this.manager?.stop();
    this.manager = undefined;
    this.shadowRoot?.replaceChildren();
  }

  /** Once after all changes of the same task, and not while a dialog is open: it can have the only copy of a raw token. */
  private restart(): void {
    if (!this.manager || this.restarts) return;
    this.restarts = true;
    queueMicrotask(() => {
      this.restarts = false;
      const { manager } = this;
      if (manager?.dialog.isOpen) {
        const { element } = manager.dialog;
        element.addEventListener('close', () => this.restart(), { once: true, signal: manager.signal });
      } else if (manager) {
        this.stop();
        this.start();
      }
    });
  }
}

/** The `lang` of a page can be one that no browser knows, such as `en_US`. */
function languageOf(element: HTMLElement): string {
  const lang = element.closest<HTMLElement>('[lang]')?.lang ?? '';
  try {
    return Intl.getCanonicalLocales(lang)[0] ?? navigator.language;
  } catch {
    return navigator.language;
  }
}
