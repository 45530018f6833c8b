import type { ForeignFormats } from './foreign-formats.js';
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
   * The hash by which the row of a raw token is found, in hex. A token of the application gets it at once, so that requests
   * of one event-loop turn share a query.
   *
   * @returns undefined for a malformed token, which no query is needed for
   */
  hashOf(rawToken: unknown): string | Promise<string> | undefined {
    if (this.kinds.isWellFormed(rawToken)) return hashSecret(rawToken);
    return typeof rawToken === 'string' ? this.foreign.hashOf(rawToken) : undefined;
  }
}
