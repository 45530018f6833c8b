import { Injectable } from '@nestjs/common';
import { admitsIp, isAllowedIps } from '../common/allowed-ips.js';
import type { Caller } from '../common/caller.js';
import { Clock, hasExpired, later, isNumericDate } from '../common/clock.js';
import { DEFAULT_OWNER_TYPE, isOwnerId } from '../common/principal.js';
import { isResourceList } from '../common/resource-limit.js';
import { isScope } from '../common/scope-grammar.js';
import { refuse, type SigraError } from '../common/sigra-error.js';
import { looksLikeJwt } from '../common/token-format.js';
import { isUuid } from '../common/uuid.js';
import { InjectSigraConfig, type JwtConfig, type SigraConfig } from '../config/sigra-config.js';
import { ScopeCeiling } from '../owners/scope.ceiling.js';
import { type JwtOrigin, type OwnerState, OwnerStateReader } from '../persistence/owner-state.reader.js';
import { tracedVerification } from '../telemetry/traced.js';
import { type AccessTokenClaims, scopesOf } from './access-token-claims.js';
import { CompactJwsReader } from './compact-jws.reader.js';
import { enabledJwt } from './enabled-jwt.js';
import { isThumbprint } from './token-binding.js';

/** A valid access token and its user. */
export interface VerifiedAccessToken {
  readonly claims: AccessTokenClaims;
  /** With `check: 'stateless'`, an object with only the id. */
  readonly user: object;
  /** The scopes of the token that the user can have now. */
  readonly scopes: readonly string[];
  /** The owner's token epoch. Undefined with `check: 'stateless'`, which does not read it. */
  readonly tokenEpoch: number | undefined;
}

/** Verifies access tokens: signature, claims and, according to `jwt.check`, the state in the database. */
@Injectable()
export class AccessTokenVerifier {
  private reader: CompactJwsReader | undefined;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly owners: OwnerStateReader,
    private readonly ceiling: ScopeCeiling,
  ) {}

  /** Whether JWTs are enabled and a bearer credential begins like one. */
  recognizes(credential: string): boolean {
    return this.config.jwt !== undefined && looksLikeJwt(credential);
  }

  /**
   * Verifies an access token that is presented. One that is bound to a key is refused without the proof of that key, and any
   * other with one (RFC 9449 section 7.1).
   *
   * @param dpopThumbprint the thumbprint of the key that the caller has proved to hold; undefined for a bearer
   * @param caller where the token was presented
   * @param identified the result of `read` for this token, whose signature is then not verified again. @default it is verified
   * @throws SigraError `jwt_disabled`, `invalid_token`, `token_expired`, `epoch_mismatch`, `token_revoked`,
   * `unavailable`
   */
  verify(
    jwt: string,
    dpopThumbprint: string | undefined,
    caller: Caller,
    identified?: IdentifiedToken,
  ): Promise<VerifiedAccessToken> {
    const assertPresented = (claims: AccessTokenClaims) => {
      assertHolder(claims, dpopThumbprint);
    };
    return this.traced(() => this.check(jwt, caller, assertPresented, identified));
  }

  /**
   * Verifies an access token for another service, to which it is presented (RFC 7662): that service checks the proof. One
   * that no proof would make valid here is refused.
   *
   * @param caller where that service got the token from
   * @throws SigraError as `verify`
   */
  inspect(jwt: string, caller: Caller): Promise<VerifiedAccessToken> {
    return this.traced(() =>
      this.check(jwt, caller, (claims) => {
        assertHolder(claims, this.config.dpop && boundKeyOf(claims));
      }),
    );
  }

  /**
   * Verifies signature and claims, and asks nothing of the database.
   *
   * @param identified the result of an earlier call for this token: only the times are checked again
   * @throws SigraError `jwt_disabled`, `invalid_token`, `token_expired`
   */
  read(jwt: string, identified = this.identify(jwt)): IdentifiedToken {
    assertTimes(identified, enabledJwt(this.config).clockTolerance, this.clock.now().getTime() / 1000);
    return identified;
  }

  /**
   * Verifies signature and claims, but not the times: for what ends credentials.
   *
   * @throws SigraError `jwt_disabled`, `invalid_token`
   */
  identify(jwt: string): IdentifiedToken {
    const config = enabledJwt(this.config);
    this.reader ??= new CompactJwsReader(config.keys);
    const claims = this.reader.open(jwt);
    assertClaims(claims, { ...config, type: this.config.users.type });
    return claims;
  }

  private traced(verify: () => Promise<VerifiedAccessToken>): Promise<VerifiedAccessToken> {
    return tracedVerification('jwt.verify', verify, ({ claims: { sub, jti, sid } }) => ({ sub, jti, sid }));
  }

  private async check(
    jwt: string,
    caller: Caller,
    assertPresented: (claims: AccessTokenClaims) => void,
    identified?: IdentifiedToken,
  ): Promise<VerifiedAccessToken> {
    const claims = this.read(jwt, identified);
    assertPresented(claims);
    const { allowed_ips: allowedIps = null } = claims;
    if (allowedIps && !admitsIp(allowedIps, caller.ipAddress)) {
      throw invalid('The token is not accepted from this address.');
    }
    if (this.config.dpop?.required && claims.cnf === undefined) {
      throw invalid('The token is not bound to a key, and jwt.dpop.mode is required.');
    }
    const { check } = enabledJwt(this.config);
    const scopes = scopesOf(claims);
    if (check === 'stateless') {
      return { claims, user: { [this.config.users.idProperty]: claims.sub }, scopes, tokenEpoch: undefined };
    }

    const origin = check === 'family' ? originOf(claims) : undefined;
    const found = await this.owners.findForRequest(claims.sub, (state) => !this.endOf(claims, origin, state), origin);
    if (!found?.user) throw invalid('The user does not exist or is not active.');
    const end = this.endOf(claims, origin, found.record);
    if (end) throw end;
    const limited = this.ceiling.limit(found.user, scopes);
    return {
      claims: limited === scopes ? claims : { ...claims, scope: limited.join(' ') },
      user: found.user,
      scopes: limited,
      tokenEpoch: found.record.tokenEpoch,
    };
  }

  /** Why a token has ended; undefined for one that is valid. */
  private endOf(claims: AccessTokenClaims, origin: JwtOrigin | undefined, state: OwnerState): SigraError | undefined {
    if (state.familyEpoch !== (claims.epoch ?? 0)) {
      return refuse('epoch_mismatch', 'The user has signed out everywhere.');
    }
    if (claims.api_token_id !== undefined && state.tokenEpoch !== claims.api_token_epoch) {
      return refuse('epoch_mismatch', 'All API tokens of the user were revoked.');
    }
    return origin && this.endOfOrigin(origin, state);
  }

  /** A family can have got an earlier end, with the API token that made it, than its access tokens. */
  private endOfOrigin(origin: JwtOrigin, { originLive, originEndsAt }: OwnerState): SigraError | undefined {
    const name = 'familyId' in origin ? 'family' : 'API token';
    if (!originLive) return refuse('token_revoked', `The ${name} has been revoked.`);
    const endsAt = originEndsAt && later(originEndsAt, enabledJwt(this.config).clockTolerance);
    return hasExpired(endsAt, this.clock.now()) ? refuse('token_expired', `The ${name} has ended.`) : undefined;
  }
}

interface Confirmed {
  readonly cnf?: unknown;
}

/**
 * A token with any confirmation other than the key is refused, such as a certificate (RFC 8705 section 3): nothing here can
 * check it.
 *
 * @throws SigraError `invalid_token`
 */
function assertHolder(claims: Confirmed, thumbprint: string | undefined): void {
  const isBound = claims.cnf !== undefined;
  if (!isBound && thumbprint === undefined) return;
  if (!isBound) throw invalid('The token is not bound to a key; send it as Bearer.');
  if (thumbprint === undefined) throw invalid('The token is bound to a key; send it as DPoP, with a proof.');
  if (boundKeyOf(claims) !== thumbprint) throw invalid('The token is bound to another key than that of the proof.');
}

/** The key that a token is bound to, if a proof of it is all that the token asks for. */
function boundKeyOf({ cnf }: Confirmed): string | undefined {
  const isKey = typeof cnf === 'object' && cnf !== null && Object.keys(cnf).join() === 'jkt';
  const jkt = isKey ? (cnf as { readonly jkt: unknown }).jkt : undefined;
  return isThumbprint(jkt) ? jkt : undefined;
}

/** The credential that a token ends with. @throws SigraError `invalid_token` */
function originOf({ sid, api_token_id: apiTokenId }: AccessTokenClaims): JwtOrigin {
  if (apiTokenId !== undefined) return { apiTokenId };
  if (!isUuid(sid)) throw invalid('sid is not the id of a family.');
  return { familyId: sid };
}

type Payload = Readonly<Record<string, unknown>>;

/** The claims of a token whose signature is valid, and whose times can have passed. */
export type IdentifiedToken = AccessTokenClaims & TokenTimes;

/** The times of a token, in seconds since 1970. */
interface TokenTimes {
  readonly exp: number;
  readonly nbf?: number;
}

/** Checks the claims according to RFC 9068 section 4 and RFC 7519 section 4.1, but not the times. */
function assertClaims(
  payload: Payload,
  { issuer, audience, type }: Pick<JwtConfig, 'issuer' | 'audience'> & { type: string },
): asserts payload is AccessTokenClaims & TokenTimes & Payload {
  const {
    iss,
    aud,
    exp,
    iat,
    nbf,
    sub,
    jti,
    client_id,
    scope,
    epoch,
    sid,
    owner_type = DEFAULT_OWNER_TYPE,
    allowed_ips,
    allowed_resources,
  } = payload;
  if (iss !== issuer) throw invalid('iss is not the configured issuer.');
  if (!isAudience(aud, audience)) throw invalid('aud does not include the configured audience.');
  if (!isNumericDate(exp)) throw invalid('exp is missing or not a valid timestamp.');
  if (!isNumericDate(iat)) throw invalid('iat is missing or not a valid timestamp.');
  if (nbf !== undefined && !isNumericDate(nbf)) throw invalid('nbf is not a valid timestamp.');
  if (!isOwnerId(sub)) throw invalid('sub is missing or not a valid string.');
  if (!isText(jti)) throw invalid('jti is missing or not a valid string.');
  if (!isText(client_id)) throw invalid('client_id is missing or not a valid string.');
  if (scope !== undefined && !isScopeClaim(scope)) throw invalid('scope is not a list of scopes.');
  if (epoch !== undefined && !isEpoch(epoch)) throw invalid('epoch is not an integer.');
  if (owner_type !== type) throw invalid('The token belongs to another type of owners.');
  if (allowed_ips !== undefined && !isAllowedIps(allowed_ips)) throw invalid('allowed_ips is not a list of addresses.');
  if (allowed_resources !== undefined && !isResourceList(allowed_resources)) {
    throw invalid('allowed_resources is not a list of resources.');
  }
  if (sid !== undefined && !isText(sid)) throw invalid('sid is not a valid string.');
  assertApiToken(payload);
}

/** @throws SigraError `invalid_token`, `token_expired` */
function assertTimes({ exp, nbf }: TokenTimes, tolerance: number, now: number): void {
  if (nbf !== undefined && nbf > now + tolerance) throw invalid('nbf is in the future.');
  if (exp + tolerance <= now) throw refuse('token_expired', 'The token has expired.');
}

/** A token of an API token has both of its claims and the epoch, and no `sid`. */
function assertApiToken({ api_token_id: id, api_token_epoch: tokenEpoch, epoch, sid }: Payload): void {
  if (id === undefined && tokenEpoch === undefined) return;
  if (!isUuid(id)) throw invalid('api_token_id is not the id of an API token.');
  if (!isEpoch(tokenEpoch) || !isEpoch(epoch)) throw invalid('api_token_epoch and epoch are not both integers.');
  if (sid !== undefined) throw invalid('The token has both api_token_id and sid.');
}

function isEpoch(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isAudience(value: unknown, expected: string): boolean {
  if (!Array.isArray(value)) return value === expected;
  return value.every((each) => typeof each === 'string') && value.includes(expected);
}

function isScopeClaim(value: unknown): boolean {
  return typeof value === 'string' && (value === '' || value.split(' ').every(isScope));
}

function invalid(message: string): SigraError {
  return refuse('invalid_token', message);
}
