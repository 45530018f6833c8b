import { ModalDialog, type DialogContent } from './modal-dialog.js';
import { secretView } from './secret-view.js';
import { styleSheet } from './styles.js';
import { sayIn, type Texts } from './texts.js';
import { TimeFormat } from './time-format.js';
import { type RequestFailure, type RequestHeaders, TokenClient } from './token-client.js';
import {
  createDialog,
  type DialogEnd,
  editDialog,
  revokeAllDialog,
  revokeDialog,
  rotateDialog,
} from './token-dialogs.js';
import { TokenListView } from './token-list-view.js';
import type { RowAction } from './token-row.js';
import { TokenStore } from './token-store.js';
import type { IssuedToken, Token, TokenChoices, TokenOwner } from './token.js';
import type { ViewContext } from './view-context.js';

/** A running element: from its connection to the document to its end, or to a change of its settings. */
interface Run {
  readonly context: ViewContext;
  readonly store: TokenStore;
  readonly list: TokenListView;
  readonly dialog: ModalDialog;
  readonly ending: AbortController;
  readonly channel: BroadcastChannel;
  choices: TokenChoices | undefined;
}

/**
 * `<sigra-tokens base="/api/tokens">`: lists the API tokens of the user, or of another owner, and creates, changes, rotates and
 * revokes them, with the ready-made controllers of `nestjs-sigra`.
 *
 * | attribute       | meaning                                                                  | default                       |
 * | --------------- | ------------------------------------------------------------------------ | ----------------------------- |
 * | `base`          | the address of the controller of tokens                                  | `/api/tokens`                 |
 * | `scopes`        | the address of the controller of scopes                                  | `scopes` beside `base`        |
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
    'hidden-scopes',
    'example',
    'page-size',
    'credentials',
    'lang',
  ];

  private ownHeaders: RequestHeaders = {};
  private ownTexts: Partial<Texts> = {};
  private ownNameOfOwner: ((owner: TokenOwner) => string) | undefined;
  private run: Run | undefined;
  private restarts = false;

  constructor() {
    super();
    this.attachShadow({ mode: 'open' }).adoptedStyleSheets = [styleSheet()];
  }

  /** Headers of every request, or a function that returns them: for an access token in memory, for example. */
  get headers(): RequestHeaders {
    return this.ownHeaders;
  }

  set headers(headers: RequestHeaders) {
    this.ownHeaders = headers;
    this.restart();
  }

  /** Texts that replace the English ones. */
  get texts(): Partial<Texts> {
    return this.ownTexts;
  }

  set texts(texts: Partial<Texts>) {
    this.ownTexts = texts;
    this.restart();
  }

  /** Names the owner that made a token. @default its type and id */
  get nameOfOwner(): ((owner: TokenOwner) => string) | undefined {
    return this.ownNameOfOwner;
  }

  set nameOfOwner(nameOfOwner: ((owner: TokenOwner) => string) | undefined) {
    this.ownNameOfOwner = nameOfOwner;
    this.restart();
  }

  connectedCallback(): void {
    this.start();
  }

  disconnectedCallback(): void {
    this.stop();
  }

  attributeChangedCallback(): void {
    this.restart();
  }

  /** Loads the list again. */
  async reload(): Promise<void> {
    const { run } = this;
    if (!run) return;
    await run.list.load(() => run.store.reload());
  }

  private start(): void {
    if (this.run || !this.isConnected) return;
    const run = this.newRun();
    this.run = run;
    this.shadowRoot?.replaceChildren(run.list.element, run.dialog.element);
    run.channel.addEventListener('message', ({ data }) => {
      if (data === this.address && !run.dialog.isOpen) void this.reload();
    });
    // Some browsers keep a page in memory when it is left, with what it shows.
    addEventListener('pagehide', () => run.dialog.close(), { signal: run.ending.signal });
    void this.reload();
    void this.loadChoices(run).catch(() => undefined);
  }

  private stop(): void {
    const { run } = this;
    this.run = undefined;
    run?.ending.abort();
    run?.channel.close();
    run?.dialog.close();
    this.shadowRoot?.replaceChildren();
  }

  /** Once after all changes of the same task. */
  private restart(): void {
    if (!this.run || this.restarts) return;
    this.restarts = true;
    queueMicrotask(() => {
      this.restarts = false;
      this.stop();
      this.start();
    });
  }

  private newRun(): Run {
    const lang = languageOf(this);
    const say = sayIn(lang, this.ownTexts);
    const ending = new AbortController();
    const base = this.getAttribute('base') ?? '/api/tokens';
    const client = new TokenClient({
      base,
      scopes: this.getAttribute('scopes') ?? base.replace(/[^/]+\/*$/, 'scopes'),
      headers: this.ownHeaders,
      credentials: (this.getAttribute('credentials') ?? 'same-origin') as RequestCredentials,
      signal: ending.signal,
    });
    const store = new TokenStore(client, this.getAttribute('page-size'));
    const context: ViewContext = {
      say,
      times: new TimeFormat(lang),
      client,
      exampleUrl: this.getAttribute('example') ?? base,
      nameOfOwner: this.ownNameOfOwner ?? (({ type, id }) => say('madeByOwner', { type, id })),
      find: (id) => store.find(id),
    };
    const list = new TokenListView(context, store, {
      create: (opener) => void this.create(opener),
      act: (action, token, opener) => this.act(action, token, opener),
      revokeAll: (opener) => this.revokeAll(opener),
      onFailure: (failure) => this.report(failure),
    });
    const dialog = new ModalDialog(say('close'), () => list.focus());
    return { context, store, list, dialog, ending, channel: new BroadcastChannel('sigra-tokens'), choices: undefined };
  }

  private async loadChoices(run: Run): Promise<TokenChoices> {
    run.choices ??= await run.context.client.choices();
    run.list.scopes = run.choices.catalogue;
    return run.choices;
  }

  private async create(opener: HTMLElement): Promise<void> {
    const { run } = this;
    if (!run) return;
    let choices: TokenChoices | undefined;
    await run.list.load(async () => {
      choices = await this.loadChoices(run);
    });
    if (!choices || run.ending.signal.aborted) return;
    const hidden = new Set(this.getAttribute('hidden-scopes')?.split(/\s+/));
    const offered = choices.catalogue.filter(({ name }) => !hidden.has(name));
    const end = this.endOf<IssuedToken>(run, (issued) => {
      run.store.add(issued.token);
      this.showSecret(run, issued, undefined);
      this.done(
        'sigra-token-created',
        { token: issued.token },
        run.context.say('wasCreated', { name: issued.token.name }),
      );
    });
    run.dialog.show(createDialog(run.context, choices, offered, end), opener);
  }

  private act(action: RowAction, token: Token, opener: HTMLElement): void {
    const { run } = this;
    if (!run) return;
    const { context, store, dialog } = run;
    const { say } = context;
    const contents: Record<RowAction, () => DialogContent> = {
      edit: () =>
        editDialog(
          context,
          token,
          this.endOf(run, (changed: Token) => {
            store.replace(changed);
            dialog.close();
            this.done('sigra-token-updated', { token: changed }, say('wasChanged', { name: changed.name }));
          }),
        ),
      rotate: () =>
        rotateDialog(
          context,
          token,
          this.endOf(run, (issued: IssuedToken & { note: string }) => {
            this.showSecret(run, issued, issued.note);
            this.done(
              'sigra-token-rotated',
              { token: issued.token, replaced: token.id },
              say('wasRotated', { name: token.name }),
            );
            void this.reload();
          }),
        ),
      revoke: () =>
        revokeDialog(
          context,
          token,
          this.endOf(run, () => {
            store.remove(token.id);
            this.done('sigra-token-revoked', { id: token.id }, say('wasRevoked', { name: token.name }));
            dialog.close();
            // What the token made has ended as well.
            void this.reload();
          }),
        ),
    };
    dialog.show(contents[action](), opener);
  }

  private revokeAll(opener: HTMLElement): void {
    const { run } = this;
    if (!run) return;
    const end = this.endOf(run, (revoked: number) => {
      this.done('sigra-tokens-revoked', { revoked }, run.context.say('wereRevoked', { count: revoked }));
      run.dialog.close();
      void this.reload();
    });
    run.dialog.show(revokeAllDialog(run.context, end), opener);
  }

  private showSecret({ context, dialog }: Run, { token, rawToken }: IssuedToken, note: string | undefined): void {
    dialog.show(secretView(context, token.name, rawToken, note, () => dialog.close()));
  }

  private endOf<Result>({ dialog, list, context }: Run, done: (result: Result) => void): DialogEnd<Result> {
    return {
      done,
      close: () => dialog.close(),
      onFailure: (failure) => {
        this.report(failure);
        if (failure.status !== 404 && failure.code !== 'token_revoked' && failure.code !== 'token_expired')
          return false;
        dialog.close();
        list.announce(context.say('gone'), true);
        void this.reload();
        return true;
      },
    };
  }

  /** Shows a success, and publishes it on the page and to the other tabs. */
  private done(type: string, detail: object, notice: string): void {
    this.run?.list.render();
    this.run?.list.announce(notice);
    this.run?.channel.postMessage(this.address);
    this.publish(type, detail);
  }

  private report(failure: RequestFailure): void {
    const { status, code } = failure;
    if (status === 401) this.publish('sigra-unauthenticated', {});
    else this.publish('sigra-error', { status, code });
  }

  private publish(type: string, detail: object): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }

  /** The same tokens in another tab have the same address. */
  private get address(): string {
    return new URL(this.getAttribute('base') ?? '/api/tokens', document.baseURI).href;
  }
}

function languageOf(element: HTMLElement): string {
  const lang = element.closest<HTMLElement>('[lang]')?.lang ?? '';
  return lang === '' ? navigator.language : lang;
}
