import { Injectable } from '@nestjs/common';
import type { Caller } from '../common/caller.js';
import { Clock } from '../common/clock.js';
import { pageOf, parsePageRequest } from '../common/cursor.js';
import { deadlineOf } from '../common/deadline.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { type RefreshFamily, RefreshFamilyRepository } from '../persistence/refresh-family.repository.js';
import { UserDirectory, type UserRef } from '../persistence/user-directory.js';
import type { AccessTokenClaims } from './access-token-claims.js';
import { AccessTokenVerifier } from './access-token.verifier.js';
import { enabledJwt } from './enabled-jwt.js';
import { RefreshTokenIssuer } from './refresh-token.issuer.js';
import { RefreshTokenRevoker } from './refresh-token.revoker.js';
import { type RefreshRequest, RefreshTokenRotator } from './refresh-token.rotator.js';
import type { TokenBinding } from './token-binding.js';
import type { TokenPair } from './token-pair.js';

/** The page of sign-ins to list. */
export interface ListFamilies {
  /** At most `apiTokens.maxPageSize`. @default `apiTokens.defaultPageSize` */
  readonly limit?: number | undefined;
  /** The `nextCursor` of the page before. @default the first page */
  readonly cursor?: string | undefined;
}

/** Families of one user. */
export interface FamilyPage {
  readonly families: readonly RefreshFamily[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
}

/**
 * JWT access tokens (RFC 9068) and their rotating refresh tokens. Unless `jwt.enabled` is set, every method rejects with
 * `jwt_disabled`. Every method rejects with `unavailable` when the database cannot be reached.
 */
@Injectable()
export class SigraJwtService {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly users: UserDirectory,
    private readonly issuer: RefreshTokenIssuer,
    private readonly rotator: RefreshTokenRotator,
    private readonly revoker: RefreshTokenRevoker,
    private readonly verifier: AccessTokenVerifier,
    private readonly families: RefreshFamilyRepository,
  ) {}

  /**
   * Starts a refresh family for a user, with its first pair, and writes the audit row `api.jwt_issue` in the same
   * transaction. Also rejects with the errors of `jwt.claims`.
   *
   * @param scopes the scopes of the family: 1 to 256 registered scopes or wildcards, with at most 4,096 characters, joined by
   * spaces
   * @param caller where the call comes from; with a principal, only scopes that the principal holds can be granted, and the
   * family does not outlive the principal's credential
   * @param binding the key of the client that the pair is bound to, from `DpopService.thumbprintOf`
   * @throws SigraError `jwt_disabled`, `invalid_dpop_proof` without a key with `jwt.dpop.mode: 'required'`,
   * `scopes_required`, `invalid_scope_format`, `unregistered_scopes`, `insufficient_scope`, `not_found` for a user that does
   * not exist or is not active; `token_revoked`, `token_expired` or `epoch_mismatch` when the principal's credential, or all
   * families of the user, ended in the meantime
   */
  async generateTokens(
    user: UserRef,
    scopes: readonly string[],
    caller: Caller = {},
    binding: TokenBinding = {},
  ): Promise<TokenPair> {
    return this.issuer.issue(user, scopes, caller, binding);
  }

  /**
   * Verifies an access token: its signature, its claims and, according to `jwt.check`, its current state in the database.
   *
   * @param binding the key that the caller has proved to hold, from `DpopService.thumbprintOf`. @default a token that is
   * bound to a key is refused, as it is without a proof
   * @param caller where the token was presented: a token that is limited to addresses is refused from all others. @default
   * an unknown address, from which such a token is refused
   * @throws SigraError `jwt_disabled`, `invalid_token`, `token_expired`, `epoch_mismatch` (all families of the
   * user were revoked), `token_revoked` (with `check: 'family'`)
   */
  async verifyAccess(
    jwt: string,
    { dpopThumbprint }: TokenBinding = {},
    caller: Caller = {},
  ): Promise<AccessTokenClaims> {
    const { claims } = await this.verifier.verify(jwt, dpopThumbprint, caller);
    return claims;
  }

  /**
   * Exchanges a refresh token for a new pair (RFC 6749 section 6) and consumes it. When a consumed token is presented again,
   * its whole family is revoked, unless `jwt.reuseLeeway` allows it.
   *
   * The audit row is written in the same transaction: do not also call `AuditService.auditJwtRefresh`.
   *
   * A token that is bound to a key is refused with another key, or without one, as `invalid_token`, and stays valid. So is a
   * token whose family is limited to addresses, from any other one, and without `caller.ipAddress`.
   *
   * @throws SigraError `jwt_disabled`, `invalid_token` (unknown, bound to another key, not accepted from this address, or
   * its user does not exist or is not active), `invalid_dpop_proof` without a key with `jwt.dpop.mode: 'required'`,
   * `token_expired`, `token_revoked`, `reuse_detected`, `refresh_aborted` (the token was not consumed; try again),
   * `outcome_unknown` (it may have been consumed), `insufficient_scope`, `unregistered_scopes`, and the codes of malformed
   * scopes
   */
  async refresh(refreshToken: string, request: RefreshRequest = {}, caller: Caller = {}): Promise<TokenPair> {
    enabledJwt(this.config);
    return this.rotator.refresh(refreshToken, request, caller);
  }

  /**
   * Revokes the family of a refresh token (RFC 7009). Has no effect on a family that is already revoked. A consumed token
   * revokes its family too, and does not count as reuse.
   *
   * @throws SigraError `jwt_disabled`, `invalid_token` for an unknown token
   */
  async revokeRefresh(refreshToken: string, caller: Caller = {}): Promise<void> {
    enabledJwt(this.config);
    await this.revoker.revokeByToken(refreshToken, caller);
  }

  /**
   * Revokes one family of a user, by its id. The family of another user counts as missing. API tokens that were made with its
   * access tokens stay valid: see `lockOutFamily`.
   *
   * @throws SigraError `jwt_disabled`, `not_found`; `insufficient_scope` when the caller's principal does not hold all
   * scopes of the family. A session of the user, and the family itself, can always end it
   */
  async revokeFamily(user: UserRef, familyId: string, caller: Caller = {}): Promise<void> {
    enabledJwt(this.config);
    await this.revoker.revokeFamily(this.users.ownerOf(user), familyId, caller);
  }

  /**
   * Like `revokeFamily`, together with everything that was made with the family's access tokens, to any depth: for a device
   * that was stolen.
   *
   * @throws SigraError `jwt_disabled`, `not_found`
   */
  async lockOutFamily(user: UserRef, familyId: string, caller: Caller = {}): Promise<void> {
    enabledJwt(this.config);
    await this.revoker.lockOutFamily(this.users.ownerOf(user), familyId, caller);
  }

  /**
   * Revokes all refresh families of a user at once, however many there are, by moving the user to the next epoch. API tokens
   * stay valid, those that were made with the families' access tokens included. With `check: 'stateless'`, access tokens stay
   * valid until they expire.
   *
   * @returns the number of families revoked
   * @throws SigraError `jwt_disabled`; `insufficient_scope` when the caller's principal is not a session of the user, and
   * does not hold all scopes of these families
   */
  async revokeAllRefresh(user: UserRef, caller: Caller = {}): Promise<number> {
    enabledJwt(this.config);
    return this.revoker.revokeAll(this.users.ownerOf(user), caller);
  }

  /**
   * Like `revokeAllRefresh`, for a person who signs out on all devices, with the audit row `api.sign_out_everywhere`. It
   * also ends the JWTs that `trustedIssuers` have issued so far. To end API tokens too, see `CredentialService.lockOut`.
   *
   * @throws SigraError `jwt_disabled`, unless there are `trustedIssuers`; `not_found` when no such user exists and none ever
   * had credentials
   */
  async signOutEverywhere(user: UserRef, caller: Caller = {}): Promise<void> {
    if (!this.config.trustedIssuers) enabledJwt(this.config);
    await this.revoker.signOutEverywhere(this.users.ownerOf(user), caller);
  }

  /**
   * Lists a user's families that can still be refreshed, newest first. No family is skipped or repeated; families that begin
   * during paging do not appear.
   *
   * @param caller how long its request has waited counts
   * @throws SigraError `jwt_disabled`, `invalid_limit`, `invalid_cursor`
   */
  async listFamilies(user: UserRef, request: ListFamilies = {}, caller: Caller = {}): Promise<FamilyPage> {
    enabledJwt(this.config);
    const { defaultPageSize, maxPageSize } = this.config.apiTokens;
    const { limit, position } = parsePageRequest(request, { default: defaultPageSize, max: maxPageSize });
    const owner = this.users.ownerOf(user);
    const { left } = deadlineOf(caller, this.config.lookupTimeout);
    const found = await this.families.listLive(owner, this.clock.now(), limit + 1, position, left);
    const { items: families, nextCursor } = pageOf(found, limit, ({ createdAt }) => createdAt);
    return { families, nextCursor };
  }
}
