import type { TokenClient } from './token-client.js';
import { maskOf, type Token } from './token.js';

/** The tokens that have been loaded, newest first. */
export class TokenStore {
  tokens: readonly Token[] = [];
  private nextCursor: string | null = null;
  private reloads = 0;

  constructor(
    private readonly client: TokenClient,
    private readonly pageSize: string | null,
  ) {}

  /** Whether the server has more. */
  get hasMore(): boolean {
    return this.nextCursor !== null;
  }

  /** Loads the first page, and more until it has as many tokens as before, or as wanted. The last call wins. */
  async reload(wanted: number): Promise<void> {
    const reload = ++this.reloads;
    const most = Math.min(wanted, this.tokens.length);
    let tokens: readonly Token[] = [];
    let cursor: string | null = null;
    do {
      const page = await this.client.list(cursor ?? undefined, this.pageSize);
      tokens = [...tokens, ...page.tokens];
      cursor = page.nextCursor;
    } while (cursor !== null && tokens.length < most);
    if (reload !== this.reloads) return;
    this.tokens = tokens;
    this.nextCursor = cursor;
  }

  async loadMore(): Promise<void> {
    const { nextCursor } = this;
    if (nextCursor === null) return;
    const page = await this.client.list(nextCursor, this.pageSize);
    // A reload in the meantime has replaced the list that the page continues.
    if (this.nextCursor !== nextCursor) return;
    this.tokens = [...this.tokens, ...page.tokens];
    this.nextCursor = page.nextCursor;
  }

  clear(): void {
    this.tokens = [];
    this.nextCursor = null;
  }

  find(id: string): Token | undefined {
    return this.tokens.find((token) => token.id === id);
  }

  add(token: Token): void {
    this.tokens = [token, ...this.tokens.filter(({ id }) => id !== token.id)];
  }

  replace(token: Token): void {
    this.tokens = this.tokens.map((each) => (each.id === token.id ? token : each));
  }

  remove(id: string): void {
    this.tokens = this.tokens.filter((token) => token.id !== id);
  }

  /** The tokens whose name, description or first characters match. A raw token finds its own row. */
  matching(query: string): readonly Token[] {
    const wanted = query.trim().toLowerCase();
    if (wanted === '') return this.tokens;
    return this.tokens.filter((token) => {
      const mask = maskOf(token).slice(0, -1).toLowerCase();
      const texts = [token.name, token.description ?? '', mask];
      return texts.some((text) => text.toLowerCase().includes(wanted)) || wanted.startsWith(mask);
    });
  }
}
