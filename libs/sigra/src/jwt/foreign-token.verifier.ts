import { Injectable } from '@nestjs/common';
import { admitsIp, isAllowedIps } from '../common/allowed-ips.js';
import type { Caller } from '../common/caller.js';
import { Clock } from '../common/clock.js';
import { isResourceList } from '../common/resource-limit.js';
import { isScope, isScopeList } from '../common/scope-grammar.js';
import { refuse } from '../common/sigra-error.js';
import { looksLikeJwt } from '../common/token-format.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { ForeignToken } from '../config/sigra-options.js';
import { ScopeCeiling } from '../owners/scope.ceiling.js';
import { type OwnerState, OwnerStateReader } from '../persistence/owner-state.reader.js';
import { UserDirectory } from '../persistence/user-directory.js';
import { ScopeRegistry } from '../scopes/scope-registry.js';
import { tracedVerification } from '../telemetry/traced.js';
import { unverifiedClaims } from './compact-jws.reader.js';

/** The claims with which another server with Sigra limits a token. Undefined without a limit. */
interface ForeignLimits {
  /** `allowed_ips`. */
  readonly allowedIps: readonly string[] | undefined;
  /** `allowed_resources`. */
  readonly resources: readonly string[] | undefined;
}

/** A valid token of another issuer and its user. */
export interface VerifiedForeignToken extends ForeignLimits {
  readonly token: ForeignToken;
  readonly user: object;
  readonly record: OwnerState;
  /** The registered scopes of the token that the user can have now. */
  readonly scopes: readonly string[];
}

/**
 * Verifies JWTs of `trustedIssuers`. The issuer answers for signature and claims; that the user exists, is active and has
 * not signed out since is read here, as for every other credential.
 */
@Injectable()
export class ForeignTokenVerifier {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly owners: OwnerStateReader,
    private readonly users: UserDirectory,
    private readonly ceiling: ScopeCeiling,
    private readonly registry: ScopeRegistry,
  ) {}

  /**
   * The trusted issuer that a bearer credential names. Nothing of the credential is verified yet.
   *
   * @returns undefined for every other credential
   */
  issuerOf(credential: string): string | undefined {
    const { trustedIssuers } = this.config;
    if (!trustedIssuers || !looksLikeJwt(credential)) return undefined;
    const iss = unverifiedClaims(credential)?.iss;
    return typeof iss === 'string' && trustedIssuers.issuers.has(iss) ? iss : undefined;
  }

  /**
   * Verifies signature and claims, and asks nothing of the database.
   *
   * @param issuer the result of `issuerOf`
   * @throws SigraError `invalid_token`, `token_expired`, `unavailable`
   */
  async read(jwt: string, issuer: string): Promise<ForeignToken> {
    const { trustedIssuers, lookupTimeout: timeout } = this.config;
    if (!trustedIssuers) throw new Error('sigra: there are no trusted issuers');
    return trustedIssuers.verify(jwt, issuer, { now: this.clock.now(), timeout });
  }

  /**
   * Verifies a token.
   *
   * @param issuer the result of `issuerOf`
   * @param caller where the token was presented
   * @param signed the result of `read` for this token, which is then not called again. @default it is called
   * @throws SigraError `invalid_token`, `token_expired`, `epoch_mismatch`, `unavailable`
   */
  verify(jwt: string, issuer: string, caller: Caller, signed?: ForeignToken): Promise<VerifiedForeignToken> {
    return tracedVerification(
      'jwt.verify',
      () => this.check(jwt, issuer, caller, signed),
      ({ token: { claims }, record }) => ({ sub: record.ownerId, jti: claims.jti, iss: issuer }),
    );
  }

  private async check(
    jwt: string,
    issuer: string,
    caller: Caller,
    signed?: ForeignToken,
  ): Promise<VerifiedForeignToken> {
    const token = signed ?? (await this.read(jwt, issuer));
    const scopes = this.registeredOf(token.scopes);
    const limits = limitsOf(token, caller);
    // An issuer can have another spelling of the id than the tables, such as an upper-case UUID.
    const hasEnded = ({ familyEpochAt }: OwnerState) => familyEpochAt !== null && token.issuedAt <= familyEpochAt;
    const found = await this.owners.findWithEpochTime(
      this.users.canonicalId(token.ownerId),
      (state) => !hasEnded(state),
    );
    if (!found?.user) throw refuse('invalid_token', 'The user does not exist or is not active.');
    const { user, record } = found;
    if (hasEnded(record)) {
      throw refuse('epoch_mismatch', 'The user has signed out everywhere since the token was issued.');
    }
    return { token, user, record, scopes: this.ceiling.limit(user, scopes), ...limits };
  }

  /** Issuers have scopes of their own beside those of this application, such as `openid`. */
  private registeredOf(given: readonly unknown[]): readonly string[] {
    const scopes = [...new Set(given)].filter((scope) => isScope(scope) && this.registry.canBeGranted(scope));
    if (isScopeList(scopes)) return scopes;
    throw refuse('invalid_token', 'The token has too many scopes.');
  }
}

/** @throws SigraError `invalid_token`, also when the token is not accepted from the address of the caller */
function limitsOf({ claims }: ForeignToken, caller: Caller): ForeignLimits {
  const { allowed_ips: allowedIps, allowed_resources: resources } = claims;
  if (resources !== undefined && !isResourceList(resources)) {
    throw refuse('invalid_token', 'allowed_resources is not a list of resources.');
  }
  if (allowedIps === undefined) return { allowedIps, resources };
  if (!isAllowedIps(allowedIps)) throw refuse('invalid_token', 'allowed_ips is not a list of addresses.');
  if (admitsIp(allowedIps, caller.ipAddress)) return { allowedIps, resources };
  throw refuse('invalid_token', 'The token is not accepted from this address.');
}
