import { Injectable } from '@nestjs/common';
import { isScopeList, MAX_SCOPES } from '../common/scope-grammar.js';
import { SigraError } from '../common/sigra-error.js';
import type { TokenKind } from '../common/token-kinds.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { OwnerStateReader } from '../persistence/owner-state.reader.js';
import type { ApiToken } from '../persistence/tables.js';
import type { UserRef } from '../persistence/user-directory.js';
import { assertCovers } from '../scopes/assert-scopes.js';
import { commonScopes } from '../scopes/can.js';

/** Applies `users.scopes`, and the scopes of a kind of tokens: those that a user, or a token, can have at most. */
@Injectable()
export class ScopeCeiling {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly owners: OwnerStateReader,
  ) {}

  /**
   * The scopes of a credential that its user can have now.
   *
   * @throws TypeError when `users.scopes` does not return an array of scopes
   */
  limit(user: object, scopes: readonly string[]): readonly string[] {
    const ceiling = this.of(user);
    return ceiling ? commonScopes(scopes, ceiling, this.config.apiTokens.rules) : scopes;
  }

  /** A token, with the scopes that its kind allows and its user can have now. */
  limitToken(user: object, token: ApiToken): ApiToken {
    const { kinds, rules } = this.config.apiTokens;
    const allowed = kinds.of(token)?.scopes;
    const scopes = this.limit(user, allowed ? commonScopes(token.scopes, allowed, rules) : token.scopes);
    return scopes === token.scopes ? token : { ...token, scopes };
  }

  /** Checks the scopes of a token of a kind. @throws SigraError `insufficient_scope` */
  assertKindAllows(kind: TokenKind | undefined, scopes: readonly string[]): void {
    if (!kind?.scopes) return;
    const message = `Tokens of the kind "${kind.name}" cannot have these scopes.`;
    assertCovers(kind.scopes, scopes, this.config.apiTokens.rules, message);
  }

  /**
   * Checks the scopes of a new credential.
   *
   * @throws SigraError `insufficient_scope`, `not_found` for a user that does not exist or is not active
   */
  async assertMayHold(userRef: UserRef, scopes: readonly string[]): Promise<void> {
    if (!this.config.users.scopes) return;
    const user = await this.owners.userOf(userRef);
    if (!user) throw new SigraError('not_found', 'There is no such active user.');
    const ceiling = this.of(user) ?? [];
    assertCovers(ceiling, scopes, this.config.apiTokens.rules, 'The user cannot have these scopes.');
  }

  private of(user: object): readonly string[] | undefined {
    const { scopes } = this.config.users;
    if (!scopes) return undefined;
    const ceiling: unknown = scopes(user);
    // A promise, or an invalid scope, must not pass as a ceiling.
    if (isScopeList(ceiling)) return ceiling;
    throw new TypeError(
      `sigra: users.scopes must return an array of at most ${MAX_SCOPES} scopes such as "read:projects" or "projects:*"`,
    );
  }
}
