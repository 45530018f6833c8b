import { Injectable } from '@nestjs/common';
import type { CallContext } from '../audit/audit-event.js';
import { Clock } from '../common/clock.js';
import { decodeCursor, encodeCursor } from '../common/cursor.js';
import { SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { ApiTokenRepository } from '../persistence/api-token.repository.js';
import { UserDirectory, type UserRef } from '../persistence/user-directory.js';
import { can, type CanOptions, type ScopeHolder } from '../scopes/can.js';
import { ScopeRegistry } from '../scopes/scope-registry.js';
import { ApiTokenIssuer, type CreateApiToken, type RotateApiToken } from './api-token.issuer.js';
import { ApiTokenRevoker } from './api-token.revoker.js';
import { type ApiToken, type IssuedApiToken, toApiToken } from './api-token.js';
import { ApiTokenVerifier } from './api-token.verifier.js';
import type { RequestOrigin } from './verify-failure.recorder.js';

/** Which page of a user's tokens to list. */
export interface ListApiTokens {
  /** Tokens per page, 1 to `maxPageSize`. @default `defaultPageSize` */
  readonly limit?: number | undefined;
  /** `nextCursor` of the page before. */
  readonly cursor?: string | undefined;
}

/** A page of a user's active tokens. */
export interface ApiTokenPage {
  /** Oldest first. */
  readonly tokens: readonly ApiToken[];
  /** For the next page; null on the last one. */
  readonly nextCursor: string | null;
}

/**
 * API tokens, from creation to revocation.
 *
 * Users are given as the host's user objects or as bare ids. Every method also rejects with `unavailable` when the
 * database cannot be reached.
 */
@Injectable()
export class ApiTokenService {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly registry: ScopeRegistry,
    private readonly users: UserDirectory,
    private readonly tokens: ApiTokenRepository,
    private readonly issuer: ApiTokenIssuer,
    private readonly verifier: ApiTokenVerifier,
    private readonly revoker: ApiTokenRevoker,
  ) {}

  /**
   * Creates a token for a user, with the audit row `api.token_create` in the same transaction.
   *
   * @param user its owner
   * @param context on whose behalf; with a principal, the token can only be given scopes that the principal holds
   * @returns the token and its raw form, which exists here only
   * @throws SigraError `name_required`, `name_too_long`, `invalid_name`, `scopes_required`, `invalid_scope_format`,
   * `unregistered_scopes`, `expiry_required`, `expiry_in_past`, `invalid_expiry`, `ttl_exceeded`, `insufficient_scope`,
   * `token_revoked` when the token that the principal acts through has been revoked meanwhile
   */
  async create(user: UserRef, request: CreateApiToken, context: CallContext = {}): Promise<IssuedApiToken> {
    return this.issuer.create(this.users.idOf(user), request, context);
  }

  /**
   * Verifies a raw token against the database as it is now: what was revoked before the call is refused.
   *
   * A success writes no audit row. `last_used_at` is noted in the background.
   *
   * @param origin where the token came from, for `last_used_ip` and the audit rows of failures
   * @throws SigraError `invalid_token` (malformed or unknown, or its owner is gone or inactive), `token_revoked`,
   * `token_expired`
   */
  async verify(rawToken: string, origin: RequestOrigin = {}): Promise<ApiToken> {
    const { token } = await this.verifier.verify(rawToken, origin);
    return token;
  }

  /**
   * Revokes a token for good, whosever it is. A token that is revoked already stays as it is and gets no second audit row.
   *
   * @param context who revokes it, for the audit row `api.token_revoke`
   * @throws SigraError `not_found`
   */
  async revoke(tokenId: string, context: CallContext = {}): Promise<ApiToken> {
    return this.revoker.revoke(tokenId, context);
  }

  /**
   * Like `revoke`, for a token of this user. A token of somebody else is `not_found`, like one that does not exist.
   *
   * @throws SigraError `not_found`
   */
  async revokeForUser(user: UserRef, tokenId: string, context: CallContext = {}): Promise<ApiToken> {
    return this.revoker.revoke(tokenId, context, this.users.idOf(user));
  }

  /**
   * Revokes all active tokens of a user, with one audit row.
   *
   * @returns how many were revoked
   */
  async revokeAll(user: UserRef, context: CallContext = {}): Promise<number> {
    return this.revoker.revokeAll(this.users.idOf(user), context);
  }

  /**
   * Replaces a token by a new one with the same name, scopes, owner and length of life. The old one dies at once, or after
   * the grace, but never later than by its own expiry. Of several rotations of one token at once, one wins.
   *
   * @returns the new token and its raw form, which exists here only
   * @throws SigraError `not_found`, `token_revoked` (or rotated before), `token_expired`, `invalid_grace`,
   * `insufficient_scope` when the context's principal does not hold all scopes of the token, and the codes of an expiry
   */
  async rotate(tokenId: string, request: RotateApiToken = {}, context: CallContext = {}): Promise<IssuedApiToken> {
    return this.issuer.rotate(tokenId, request, context);
  }

  /**
   * Like `rotate`, for a token of this user. A token of somebody else is `not_found`, like one that does not exist.
   *
   * @throws SigraError as `rotate`
   */
  async rotateForUser(
    user: UserRef,
    tokenId: string,
    request: RotateApiToken = {},
    context: CallContext = {},
  ): Promise<IssuedApiToken> {
    return this.issuer.rotate(tokenId, request, context, this.users.idOf(user));
  }

  /**
   * Lists a user's tokens that are neither revoked nor expired, oldest first. Tokens that are made meanwhile appear on a
   * later page; none is skipped or repeated.
   *
   * @throws SigraError `invalid_limit`, `invalid_cursor`
   */
  async listActive(user: UserRef, { limit, cursor }: ListApiTokens = {}): Promise<ApiTokenPage> {
    const size = this.pageSize(limit);
    const position = cursor === undefined ? undefined : decodeCursor(cursor);
    // One more than asked for tells whether there is a next page.
    const rows = await this.tokens.listActive(this.users.idOf(user), this.clock.now(), size + 1, position);
    const page = rows.slice(0, size);
    const last = page.at(-1);
    return {
      tokens: page.map(toApiToken),
      nextCursor: rows.length > size && last ? encodeCursor(last.created_at, last.id) : null,
    };
  }

  /** All scopes that a token can be given: the built-in ones and the application's. */
  listScopes(): readonly string[] {
    return this.registry.all;
  }

  /** Whether a token or principal has the scopes, under the application's `writeImpliesRead`. See `can`. */
  can(holder: ScopeHolder, scopes: readonly string[], options: Pick<CanOptions, 'match'> = {}): boolean {
    return can(holder, scopes, { ...options, writeImpliesRead: this.config.apiTokens.writeImpliesRead });
  }

  private pageSize(limit: number | undefined): number {
    const { defaultPageSize, maxPageSize } = this.config.apiTokens;
    if (limit === undefined) return defaultPageSize;
    if (!Number.isInteger(limit) || limit < 1 || limit > maxPageSize) {
      throw new SigraError('invalid_limit', `The limit is a whole number from 1 to ${maxPageSize}.`);
    }
    return limit;
  }
}
