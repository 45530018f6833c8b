import { messageOf } from './action-form.js';
import { ModalDialog, type DialogContent } from './modal-dialog.js';
import { secretView } from './secret-view.js';
import { sayIn, type Texts } from './texts.js';
import { TimeFormat } from './time-format.js';
import { type ClientSettings, type RequestFailure, TokenClient } from './token-client.js';
import {
  createDialog,
  type DialogEnd,
  editDialog,
  revokeAllDialog,
  revokeDialog,
  rotateDialog,
  type RotatedToken,
} from './token-dialogs.js';
import { TokenListView } from './token-list-view.js';
import type { RowAction } from './token-row.js';
import { TokenStore } from './token-store.js';
import type { IssuedToken, Token, TokenChoices, TokenOwner } from './token.js';
import type { ViewContext } from './view-context.js';

export interface ManagerSettings extends Omit<ClientSettings, 'signal'> {
  readonly lang: string;
  readonly texts: Partial<Texts>;
  readonly exampleUrl: string;
  readonly pageSize: string | null;
  readonly hiddenScopes: ReadonlySet<string>;
  readonly ownerType: string;
  readonly nameOfOwner: (owner: TokenOwner) => string | undefined;
  /** Dispatches an event of the element. */
  readonly publish: (type: string, detail: object) => void;
}

/** The codes of a token that is not active any more. */
const GONE: readonly string[] = ['token_revoked', 'token_expired'];

/** The list and its dialogs, from the connection of the element to the document to its end, or to a change of its settings. */
export class TokenManager {
  readonly list: TokenListView;
  readonly dialog: ModalDialog;
  private readonly ending = new AbortController();
  /** The other tabs. */
  private readonly channel = new BroadcastChannel('sigra-tokens');
  /** The same tokens have the same address in every tab. */
  private readonly address: string;
  private readonly context: ViewContext;
  private readonly store: TokenStore;
  private choices: TokenChoices | undefined;

  constructor(private readonly settings: ManagerSettings) {
    const { base, lang, pageSize, exampleUrl } = settings;
    const say = sayIn(lang, settings.texts);
    const client = new TokenClient({ ...settings, signal: this.ending.signal });
    const store = new TokenStore(client, pageSize);
    this.address = new URL(base, document.baseURI).href;
    this.store = store;
    this.context = {
      say,
      times: new TimeFormat(lang),
      client,
      exampleUrl,
      nameOfOwner: (owner) => settings.nameOfOwner(owner) ?? say('madeByOwner', { ...owner }),
      find: (id) => store.find(id),
    };
    this.list = new TokenListView(this.context, store, {
      create: (opener) => void this.create(opener),
      act: (action, token, opener) => this.act(action, token, opener),
      revokeAll: (opener) => this.revokeAll(opener),
      onFailure: (failure) => this.report(failure),
    });
    this.dialog = new ModalDialog(say('close'), (opener) => this.list.focus(opener?.dataset.key));
  }

  /** Aborted when it stops. */
  get signal(): AbortSignal {
    return this.ending.signal;
  }

  start(): void {
    const { signal } = this;
    this.channel.addEventListener('message', ({ data }) => {
      if (data === this.address) void this.list.reload();
    });
    // Some browsers keep a page in memory when it is left, with what it shows. The session can have ended when it returns.
    addEventListener('pagehide', () => this.dialog.close(), { signal });
    addEventListener('pageshow', ({ persisted }) => void (persisted && this.list.reload()), { signal });
    void this.list.reload();
    // For the titles of scopes: without them, the list has their names.
    void this.loadChoices().catch(() => undefined);
  }

  stop(): void {
    this.ending.abort();
    this.channel.close();
    this.dialog.close();
  }

  private async loadChoices(): Promise<TokenChoices> {
    this.choices ??= await this.context.client.choices();
    this.list.scopes = this.choices.catalogue;
    return this.choices;
  }

  private async create(opener: HTMLElement): Promise<void> {
    let choices: TokenChoices | undefined;
    await this.list.load(async () => {
      choices = await this.loadChoices();
    });
    if (!choices || this.signal.aborted || this.dialog.isOpen) return;
    const { hiddenScopes, ownerType } = this.settings;
    const catalogue = choices.catalogue.filter(({ name }) => !hiddenScopes.has(name));
    const kinds = choices.kinds.filter(({ ownerTypes }) => ownerTypes?.includes(ownerType) ?? true);
    this.open<IssuedToken>(
      opener,
      (end) => createDialog(this.context, { catalogue, kinds }, end),
      ({ token, rawToken }) => {
        this.store.add(token);
        this.showSecret(token, rawToken, undefined);
        this.done('sigra-token-created', { token }, this.context.say('wasCreated', { name: token.name }));
      },
    );
  }

  private act(action: RowAction, token: Token, opener: HTMLElement): void {
    const acts: Readonly<Record<RowAction, () => void>> = {
      edit: () => this.edit(token, opener),
      rotate: () => this.rotate(token, opener),
      revoke: () => this.revoke(token, opener),
    };
    acts[action]();
  }

  private edit(token: Token, opener: HTMLElement): void {
    this.open<Token>(
      opener,
      (end) => editDialog(this.context, token, end),
      (changed) => {
        this.dialog.close();
        this.store.replace(changed);
        this.done('sigra-token-updated', { token: changed }, this.context.say('wasChanged', { name: changed.name }));
      },
    );
  }

  private rotate(token: Token, opener: HTMLElement): void {
    this.open<RotatedToken>(
      opener,
      (end) => rotateDialog(this.context, token, end),
      ({ token: successor, rawToken, note }) => {
        this.showSecret(successor, rawToken, note);
        const detail = { token: successor, replaced: token.id };
        this.done('sigra-token-rotated', detail, this.context.say('wasRotated', { name: token.name }));
      },
    );
  }

  private revoke(token: Token, opener: HTMLElement): void {
    this.open(
      opener,
      (end) => revokeDialog(this.context, token, end),
      () => {
        this.dialog.close();
        this.store.remove(token.id);
        this.done('sigra-token-revoked', { id: token.id }, this.context.say('wasRevoked', { name: token.name }));
      },
    );
  }

  private revokeAll(opener: HTMLElement): void {
    this.open<number>(
      opener,
      (end) => revokeAllDialog(this.context, end),
      (revoked) => {
        this.dialog.close();
        this.done('sigra-tokens-revoked', { revoked }, this.context.say('wereRevoked', { count: revoked }));
      },
    );
  }

  private open<Result>(
    opener: HTMLElement,
    dialogOf: (end: DialogEnd<Result>) => DialogContent,
    done: (result: Result) => void,
  ): void {
    const { dialog, list, context } = this;
    const content = dialogOf({
      done,
      close: () => dialog.close(),
      onFailure: (failure) => {
        this.report(failure);
        const isGone = failure.status === 404 || GONE.includes(failure.code);
        if (!isGone && dialog.shows(content)) return false;
        if (dialog.shows(content)) dialog.close();
        list.announce(isGone ? context.say('gone') : messageOf(failure, context.say), true);
        void list.reload();
        return true;
      },
    });
    dialog.show(content, opener);
  }

  private showSecret({ name }: Token, rawToken: string, note: string | undefined): void {
    this.dialog.show(secretView(this.context, name, rawToken, note, () => this.dialog.close()));
  }

  /**
   * Shows a success, and publishes it on the page and to the other tabs. The dialog has closed, because a screen reader reads nothing
   * behind it. The list is loaded again: what a token made ends with it.
   */
  private done(type: string, detail: object, notice: string): void {
    this.list.render();
    this.list.announce(notice);
    this.channel.postMessage(this.address);
    this.settings.publish(type, detail);
    void this.list.reload();
  }

  private report({ status, code }: RequestFailure): void {
    if (status === 401) this.settings.publish('sigra-unauthenticated', {});
    else this.settings.publish('sigra-error', { status, code });
  }
}
