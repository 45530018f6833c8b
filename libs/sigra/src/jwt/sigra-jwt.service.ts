import { Injectable } from '@nestjs/common';
import type { CallContext } from '../audit/audit-event.js';
import { Clock } from '../common/clock.js';
import { SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type JwtConfig, type SigraConfig } from '../config/sigra-config.js';
import { RefreshTokenRepository, type SignInRow } from '../persistence/refresh-token.repository.js';
import { UserDirectory, type UserRef } from '../persistence/user-directory.js';
import type { AccessTokenClaims } from './access-token-claims.js';
import { AccessTokenVerifier } from './access-token.verifier.js';
import { RefreshTokenIssuer } from './refresh-token.issuer.js';
import { RefreshTokenRevoker } from './refresh-token.revoker.js';
import { type RefreshRequest, RefreshTokenRotator } from './refresh-token.rotator.js';
import type { TokenPair } from './token-pair.js';

/** A sign-in that can still be refreshed: one refresh family. */
export interface SignIn {
  /** The family's id: the `sid` of its access tokens. */
  readonly id: string;
  readonly scopes: readonly string[];
  /** Where it was started from. */
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
  readonly createdAt: Date;
  /** When it was last refreshed, or began. */
  readonly refreshedAt: Date;
  /** When it ends, however often it is refreshed. */
  readonly expiresAt: Date;
}

/**
 * JWT access tokens (RFC 9068) and their rotating refresh tokens. Off unless `jwt.enabled` is set: every method then
 * rejects with `jwt_disabled`. Every method also rejects with `unavailable` when the database cannot be reached.
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
    private readonly refreshTokens: RefreshTokenRepository,
  ) {}

  /**
   * Signs a user in: a new refresh family with its first pair, and the audit row `api.jwt_issue` in the same transaction.
   * What `jwt.claims` throws, it rejects with.
   *
   * @param scopes what the sign-in may do: at least one registered scope or wildcard
   * @param context on whose behalf; with a principal, only scopes that it holds can be given
   * @throws SigraError `jwt_disabled`, `scopes_required`, `invalid_scope_format`, `unregistered_scopes`,
   * `insufficient_scope`, `not_found` for a user that does not exist or is not active
   */
  async generateTokens(user: UserRef, scopes: readonly string[], context: CallContext = {}): Promise<TokenPair> {
    return this.issuer.issue(user, scopes, context, this.enabled());
  }

  /**
   * Verifies an access token: signature and claims, and by `jwt.check` what the database says now.
   *
   * @throws SigraError `jwt_disabled`, `invalid_token`, `token_expired`, `epoch_mismatch` (the user has signed out
   * everywhere since), `token_revoked` (with `check: 'family'`)
   */
  async verifyAccess(jwt: string): Promise<AccessTokenClaims> {
    this.enabled();
    const { claims } = await this.verifier.verify(jwt);
    return claims;
  }

  /**
   * Exchanges a refresh token for a new pair (RFC 6749 section 6) and consumes it. A token that comes back after that
   * revokes its whole family, unless `jwt.reuseLeeway` forgives it.
   *
   * The audit row is written in the same transaction: do not also call `AuditService.auditJwtRefresh`.
   *
   * @throws SigraError `jwt_disabled`, `invalid_token` (unknown, or the user may not sign in), `token_expired`,
   * `token_revoked`, `reuse_detected`, `refresh_aborted` (nothing has changed; try again), `insufficient_scope` and the
   * codes of malformed scopes
   */
  async refresh(refreshToken: string, request: RefreshRequest = {}, context: CallContext = {}): Promise<TokenPair> {
    return this.rotator.refresh(refreshToken, request, context, this.enabled());
  }

  /**
   * Signs out the sign-in that a refresh token belongs to (RFC 7009): the family dies. A family that is dead already stays
   * as it is. A used token ends it as well, and that is no reuse.
   *
   * @throws SigraError `jwt_disabled`, `invalid_token`
   */
  async revokeRefresh(refreshToken: string, context: CallContext = {}): Promise<void> {
    this.enabled();
    await this.revoker.revokeByToken(refreshToken, context);
  }

  /**
   * Signs out one sign-in of a user, by its id. One of somebody else is `not_found`, like one that does not exist.
   *
   * @throws SigraError `jwt_disabled`, `not_found`
   */
  async revokeFamily(user: UserRef, familyId: string, context: CallContext = {}): Promise<void> {
    this.enabled();
    await this.revoker.revokeFamily(this.users.idOf(user), familyId, context);
  }

  /**
   * Revokes all refresh families of a user. Access tokens die with them under `check: 'family'`, else when they expire.
   *
   * @returns how many families were revoked
   * @throws SigraError `jwt_disabled`
   */
  async revokeAllRefresh(user: UserRef, context: CallContext = {}): Promise<number> {
    this.enabled();
    return this.revoker.revokeAll(this.users.idOf(user), context);
  }

  /**
   * Ends every JWT and refresh token of a user at once, by moving the user to the next epoch. API tokens stay. With
   * `check: 'stateless'`, access tokens live on until they expire.
   *
   * @throws SigraError `jwt_disabled`
   */
  async signOutEverywhere(user: UserRef, context: CallContext = {}): Promise<void> {
    this.enabled();
    await this.revoker.signOutEverywhere(this.users.idOf(user), context);
  }

  /**
   * Lists a user's sign-ins that can still be refreshed, newest first.
   *
   * @throws SigraError `jwt_disabled`
   */
  async listFamilies(user: UserRef): Promise<readonly SignIn[]> {
    this.enabled();
    return (await this.refreshTokens.listLive(this.users.idOf(user), this.clock.now())).map(toSignIn);
  }

  private enabled(): JwtConfig {
    if (this.config.jwt) return this.config.jwt;
    throw new SigraError('jwt_disabled', 'JWTs are not enabled; set jwt.enabled.');
  }
}

function toSignIn(row: SignInRow): SignIn {
  return {
    id: row.id,
    scopes: row.scopes,
    ipAddress: row.ip,
    userAgent: row.user_agent,
    createdAt: row.created_at,
    refreshedAt: row.refreshed_at,
    expiresAt: row.absolute_expires_at,
  };
}
