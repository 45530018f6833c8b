import type { ForeignFormats, ForeignTokenHashes } from './foreign-formats.js';
import { hashSecret } from './secret.js';
import type { TokenKinds } from './token-kinds.js';

/** All raw tokens that an application accepts as API tokens: its own, and those of other systems. */
export class RawTokens {
  constructor(
    private readonly kinds: TokenKinds,
    private readonly foreign: ForeignFormats,
  ) {}

  /** Whether a credential begins like a token of the application, or has the form of one of another system. */
  recognizes(credential: string): boolean {
    return this.kinds.recognizes(credential) || this.foreign.recognizes(credential);
  }

  /**
   * The hash by which the row of a raw token is found, in hex, or those of a token of another system. A token of the application
   * gets it at once, so that requests of one event-loop turn share a query.
   *
   * @returns undefined for a malformed token, which no query is needed for
   */
  hashesOf(rawToken: unknown): string | ForeignTokenHashes | undefined {
    if (this.kinds.isWellFormed(rawToken)) return hashSecret(rawToken);
    return typeof rawToken === 'string' ? this.foreign.hashesOf(rawToken) : undefined;
  }

  /** The `token_hash` of the row of a raw token, in hex; undefined for a malformed token. */
  async hashOf(rawToken: unknown): Promise<string | undefined> {
    const hashes = this.hashesOf(rawToken);
    return typeof hashes === 'object' ? hashes.tokenHash() : hashes;
  }
}
