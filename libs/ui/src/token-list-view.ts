import { messageOf } from './action-form.js';
import { build, buildButton } from './build.js';
import { failureIn, type RequestFailure } from './token-client.js';
import { type RowAction, tokenRow } from './token-row.js';
import type { TokenStore } from './token-store.js';
import type { Scope, Token } from './token.js';
import { curlOf, type ViewContext } from './view-context.js';

export interface ListActions {
  readonly create: (opener: HTMLElement) => void;
  readonly act: (action: RowAction, token: Token, opener: HTMLElement) => void;
  readonly revokeAll: (opener: HTMLElement) => void;
  readonly onFailure: (failure: RequestFailure) => void;
}

/** Rows that are shown at first, and more with each click. */
const STEP = 50;
/** From this number on, a search helps. */
const SEARCHED = 6;

/** The list with its search, its notices and its buttons. */
export class TokenListView {
  readonly element: HTMLElement;
  private readonly heading = build('h2', { id: 'list-title', part: 'heading', tabindex: '-1' });
  private readonly count = build('p', { part: 'count', role: 'status' });
  private readonly notice = build('p', { part: 'notice', role: 'status' });
  private readonly problem = build('div', { part: 'problem', hidden: true });
  /** Safari takes a list without bullets for none, unless it has the role. */
  private readonly items = build('ul', { role: 'list', part: 'tokens', 'aria-labelledby': 'list-title' });
  private readonly empty = build('div', { part: 'empty', hidden: true });
  private readonly search: HTMLInputElement;
  private readonly createButton: HTMLButtonElement;
  private readonly moreButton: HTMLButtonElement;
  private readonly revokeAllButton: HTMLButtonElement;
  private readonly foot: HTMLElement;
  private known: ReadonlyMap<string, Scope> = new Map();
  private shown = STEP;
  private loads = 0;
  private loaded = false;
  private finding = false;

  constructor(
    private readonly context: ViewContext,
    private readonly store: TokenStore,
    private readonly actions: ListActions,
  ) {
    const { say } = context;
    this.heading.textContent = say('heading');
    this.createButton = buildButton('primary', say('create'), () => actions.create(this.createButton));
    this.moreButton = buildButton('quiet', say('more'), () => void this.showMore());
    this.revokeAllButton = buildButton('link danger', say('revokeAll'), () => actions.revokeAll(this.revokeAllButton));
    this.search = build('input', {
      type: 'search',
      part: 'search',
      'aria-label': say('search'),
      placeholder: say('search'),
      autocomplete: 'off',
      spellcheck: 'false',
      hidden: true,
      oninput: () => void this.find(),
    });
    this.foot = build('div', { part: 'foot' }, this.moreButton, this.revokeAllButton);
    const title = build('div', { part: 'title' }, this.heading, this.count);
    const head = build('header', { part: 'head' }, title, this.search, this.createButton);
    this.element = build(
      'section',
      { part: 'panel', 'aria-labelledby': 'list-title', 'aria-busy': 'true' },
      head,
      this.notice,
      this.problem,
      this.items,
      this.empty,
      this.foot,
    );
    this.render();
  }

  /** The known scopes, for their titles. */
  set scopes(scopes: readonly Scope[]) {
    this.known = new Map(scopes.map((scope) => [scope.name, scope]));
    this.render();
  }

  announce(text: string, failed = false): void {
    this.notice.textContent = text;
    this.notice.classList.toggle('failed', failed);
    this.notice.part.toggle('failed', failed);
  }

  /** Gives the focus to the control of a token with this key, or else to the heading. */
  focus(key?: string): void {
    const same = [...this.items.querySelectorAll<HTMLElement>('[data-key]')].find(({ dataset }) => dataset.key === key);
    (same ?? this.heading).focus();
  }

  /** Loads the tokens again that are shown. */
  reload(): Promise<void> {
    return this.load(() => this.store.reload(this.isSearch ? Infinity : this.shown));
  }

  /** Runs a request for the list, and shows that it runs, and how it ends. */
  async load(request: () => Promise<void>): Promise<void> {
    this.loads++;
    this.showProblem(undefined);
    this.render();
    try {
      await request();
      this.loaded = true;
    } catch (error) {
      const failure = failureIn(error);
      if (!failure) return;
      if (failure.status === 401) this.forget();
      this.actions.onFailure(failure);
      this.showProblem(failure, () => void this.load(request));
    } finally {
      this.loads--;
      this.render();
    }
  }

  render(): void {
    const { say } = this.context;
    const found = this.store.matching(this.search.value);
    const isEmpty = this.loaded && this.store.tokens.length === 0 && !this.store.hasMore;
    this.element.setAttribute('aria-busy', String(this.loads > 0));
    this.replaceRows(found.slice(0, this.shown));
    this.search.hidden = this.store.tokens.length < SEARCHED && !this.store.hasMore && !this.isSearch;
    this.moreButton.hidden = found.length <= this.shown && (!this.store.hasMore || this.isSearch);
    this.revokeAllButton.hidden = this.store.tokens.length === 0;
    this.foot.hidden = this.moreButton.hidden && this.revokeAllButton.hidden;
    const first = !this.loaded && this.loads > 0;
    const count = first ? say('loading') : this.countText(found.length);
    // A screen reader reads it again whenever it is set.
    if (this.count.textContent !== count) this.count.textContent = count;
    this.showEmpty(isEmpty, this.loaded && this.loads === 0 && found.length === 0);
    this.element.classList.toggle('first-load', first);
  }

  private get isSearch(): boolean {
    return this.search.value !== '';
  }

  /** The session has ended: the next person at this screen sees nothing. */
  private forget(): void {
    this.store.clear();
    this.loaded = false;
  }

  private countText(found: number): string {
    const { say } = this.context;
    const { tokens, hasMore } = this.store;
    if (this.isSearch) return hasMore && this.finding ? say('searching') : say('found', { count: found });
    if (tokens.length === 0) return '';
    return say(hasMore ? 'countOfMore' : 'count', { count: tokens.length });
  }

  /** The control that has the focus keeps it, in the new row of its token. */
  private replaceRows(tokens: readonly Token[]): void {
    const root = this.element.getRootNode() as Document | ShadowRoot;
    const key = root.activeElement instanceof HTMLElement ? root.activeElement.dataset.key : undefined;
    this.items.replaceChildren(
      ...tokens.map((token) => tokenRow(this.context, token, this.known, (...args) => this.actions.act(...args))),
    );
    this.items.hidden = tokens.length === 0;
    if (key !== undefined) this.focus(key);
  }

  private showEmpty(isEmpty: boolean, nothingFound: boolean): void {
    const { say } = this.context;
    this.empty.hidden = !isEmpty && !nothingFound;
    if (isEmpty && this.empty.dataset.state !== 'first') {
      this.empty.replaceChildren(
        build('h3', { part: 'empty-title' }, say('emptyTitle')),
        build('p', {}, say('emptyText')),
        build('p', { part: 'hint' }, say('emptyExample')),
        build('code', { part: 'secret example' }, curlOf(this.context, '…')),
      );
    } else if (nothingFound && !isEmpty) {
      this.empty.replaceChildren(build('p', {}, say('nothingFound', { query: this.search.value })));
    }
    this.empty.dataset.state = isEmpty ? 'first' : 'other';
  }

  private showProblem(failure: RequestFailure | undefined, again?: () => void): void {
    this.problem.hidden = failure === undefined;
    this.problem.replaceChildren();
    if (!failure) return;
    const { say } = this.context;
    this.problem.append(build('p', { role: 'alert' }, messageOf(failure, say)));
    if (!again) return;
    // The button vanishes, and the focus with it.
    const retry = () => {
      this.focus();
      again();
    };
    this.problem.append(buildButton('quiet', say('tryAgain'), retry));
  }

  /** The focus goes on to the first of the new rows: the button can vanish. */
  private async showMore(): Promise<void> {
    const before = this.shown;
    this.shown += STEP;
    if (this.store.tokens.length < this.shown) await this.load(() => this.store.loadMore());
    this.render();
    this.items.querySelectorAll<HTMLElement>('[data-key$=":name"]')[before]?.focus();
  }

  /** The server cannot search, so all tokens are loaded for a search: an owner has at most a thousand by default. */
  private async find(): Promise<void> {
    this.shown = STEP;
    this.render();
    if (this.finding) return;
    this.finding = true;
    await this.load(async () => {
      while (this.store.hasMore && this.isSearch) {
        await this.store.loadMore();
        this.render();
      }
    });
    this.finding = false;
    this.render();
  }
}
