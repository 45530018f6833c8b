import { Injectable } from '@nestjs/common';
import { isScopeList, MAX_SCOPES } from '../common/scope-grammar.js';
import { SigraError } from '../common/sigra-error.js';
import type { TokenKind } from '../common/token-kinds.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { OwnerTypeConfig } from '../config/users.section.js';
import { OwnerStateReader } from '../persistence/owner-state.reader.js';
import type { ApiToken } from '../persistence/tables.js';
import { OwnerDirectories, type OwnerRef } from '../persistence/owner-directories.js';
import { assertCovers } from '../scopes/assert-scopes.js';
import { commonScopes } from '../scopes/can.js';

/** Applies `users.scopes`, its equivalent for other owners, and the scopes of a kind of tokens: those that a user, or a token, can have at most. */
@Injectable()
export class ScopeCeiling {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly owners: OwnerStateReader,
    private readonly directories: OwnerDirectories,
  ) {}

  /**
   * The scopes of a credential that its user, or another owner, can have now.
   *
   * @param type of the owner. @default that of the users
   * @throws TypeError when `users.scopes` does not return an array of scopes
   */
  limit(user: object, scopes: readonly string[], type?: string): readonly string[] {
    const ceiling = this.of(user, type);
    return ceiling ? commonScopes(scopes, ceiling, this.config.apiTokens.rules) : scopes;
  }

  /** A token, with the scopes that its kind allows and its user can have now. */
  limitToken(user: object, token: ApiToken): ApiToken {
    const { kinds, rules } = this.config.apiTokens;
    const allowed = kinds.of(token)?.scopes;
    const own = allowed ? commonScopes(token.scopes, allowed, rules) : token.scopes;
    const scopes = this.limit(user, own, token.ownerType);
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
  async assertMayHold(ref: OwnerRef, scopes: readonly string[]): Promise<void> {
    const { type } = this.directories.ownerOf(ref);
    if (!this.rulesOf(type)?.scopes) return;
    const owner = await this.owners.userOf(ref);
    if (!owner) throw new SigraError('not_found', `There is no such active ${nounOf(type, this.config)}.`);
    const ceiling = this.of(owner, type) ?? [];
    assertCovers(
      ceiling,
      scopes,
      this.config.apiTokens.rules,
      `The ${nounOf(type, this.config)} cannot have these scopes.`,
    );
  }

  private rulesOf(type: string): OwnerTypeConfig | undefined {
    return this.config.ownerTypes.find((each) => each.type === type);
  }

  private of(user: object, type?: string): readonly string[] | undefined {
    const rules = type === undefined ? this.config.users : this.rulesOf(type);
    if (!rules?.scopes) return undefined;
    const ceiling: unknown = rules.scopes(user);
    // A promise, or an invalid scope, must not pass as a ceiling.
    if (isScopeList(ceiling)) return ceiling;
    throw new TypeError(
      `sigra: ${rules.path}.scopes must return an array of at most ${MAX_SCOPES} scopes such as "read:projects" or "projects:*"`,
    );
  }
}

function nounOf(type: string, { users }: SigraConfig): string {
  return type === users.type ? 'user' : 'owner';
}
