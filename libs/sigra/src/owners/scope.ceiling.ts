import { Injectable } from '@nestjs/common';
import { isScopeList, MAX_SCOPES } from '../common/scope-grammar.js';
import { SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { OwnerStateReader } from '../persistence/owner-state.reader.js';
import type { UserRef } from '../persistence/user-directory.js';
import { assertCovers } from '../scopes/assert-scopes.js';
import { commonScopes } from '../scopes/can.js';

/** Applies `users.scopes`: the scopes that a user can have at most. */
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
