import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { AllowedIps } from '../common/allowed-ips.js';
import { MAX_JSON_DEPTH, stringifyWithin } from '../common/bounded-json.js';
import { Clock, endsWithinSecond } from '../common/clock.js';
import { type Deadline, unanswered } from '../common/deadline.js';
import { DEFAULT_OWNER_TYPE, type Owner } from '../common/principal.js';
import type { ResourceLimit } from '../common/resource-limit.js';
import { refuse } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { ownerOf, type RefreshFamilyRow } from '../persistence/tables.js';
import { type AccessTokenClaims, RESERVED_CLAIMS } from './access-token-claims.js';
import { MAX_JWT_LENGTH } from './compact-jws.js';
import { CompactJwsWriter } from './compact-jws.writer.js';
import { enabledJwt } from './enabled-jwt.js';
import type { TokenType } from './token-pair.js';

/** The credential that an access token belongs to: it ends with it. */
export type AccessTokenOrigin =
  { readonly familyId: string } | { readonly apiTokenId: string; readonly tokenEpoch: number };

/** The owner, origin, claims and scopes of an access token to sign. */
export interface AccessTokenSubject {
  readonly owner: Owner;
  readonly origin: AccessTokenOrigin;
  /** The family epoch of the origin, not the owner's current one, so that a concurrent sign-out invalidates the token. */
  readonly epoch: number;
  /** The end of the origin. Null means no end. */
  readonly endsAt: Date | null;
  /** The application's own claims, from `ownClaims`. */
  readonly ownClaims: Readonly<Record<string, unknown>>;
  /** The scopes that the token grants. */
  readonly scopes: readonly string[];
  /** The addresses that the token is accepted from. @default all */
  readonly allowedIps?: AllowedIps | undefined;
  /** The resources that its scopes are limited to. @default all */
  readonly resources?: ResourceLimit | undefined;
  /** The thumbprint of the key that the token is bound to. @default the token is not bound */
  readonly dpopThumbprint?: string | undefined;
}

/** A signed access token. */
export interface SignedAccessToken {
  readonly accessToken: string;
  /** Seconds until the token expires. */
  readonly expiresIn: number;
  readonly expiresAt: Date;
  readonly tokenType: TokenType;
}

const TOO_MANY_SCOPES =
  `The scopes, allowedIps and resources make an access token of over ${MAX_JWT_LENGTH} bytes, which is never accepted. ` +
  'Request fewer scopes, or use a credential with fewer addresses and resources.';

/** Signs access tokens (RFC 9068). */
@Injectable()
export class AccessTokenSigner {
  private writer: CompactJwsWriter | undefined;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
  ) {}

  /**
   * Gets the application's claims for a user from `jwt.claims`. Call it before any lock is taken, because it can take long.
   *
   * @throws SigraError `unavailable` at the deadline
   * @throws TypeError when `jwt.claims` does not return a JSON object, or one that is too large for a token; also the errors
   * of `jwt.claims`
   */
  async ownClaims(user: object, deadline: Deadline): Promise<Readonly<Record<string, unknown>>> {
    const claims = asJson(await deadline.limit(Promise.resolve(this.config.jwt?.claims(user)), unanswered));
    for (const claim of RESERVED_CLAIMS) Reflect.deleteProperty(claims, claim);
    return claims;
  }

  /**
   * Signs an access token. Call it before any lock is taken: the signer of the application can take long.
   *
   * @param now the time of signing. @default the clock's time
   * @throws SigraError `token_expired` when the origin ends within this second: the token would be expired when it arrives;
   * `unavailable` when the signer of the application fails; `invalid_scope_format` when the scopes and `allowedIps` alone make
   * the token too long to be accepted
   * @throws TypeError when the application's claims make the token too long to be accepted
   */
  async sign(
    { owner, origin, epoch, endsAt, ownClaims, scopes, allowedIps, resources, dpopThumbprint }: AccessTokenSubject,
    now: Date = this.clock.now(),
  ): Promise<SignedAccessToken> {
    const config = enabledJwt(this.config);
    const iat = Math.floor(now.getTime() / 1000);
    const exp = Math.min(iat + config.accessTtl, endsAt ? Math.floor(endsAt.getTime() / 1000) : Infinity);
    if (endsWithinSecond(endsAt, now)) {
      throw refuse('token_expired', 'The credential that the access token belongs to ends within this second.');
    }
    const claims: AccessTokenClaims = {
      ...ownClaims,
      iss: config.issuer,
      sub: owner.id,
      aud: config.audience,
      client_id: 'apiTokenId' in origin ? origin.apiTokenId : config.clientId,
      iat,
      exp,
      jti: randomUUID(),
      scope: scopes.join(' '),
      epoch,
      ...('apiTokenId' in origin
        ? { api_token_id: origin.apiTokenId, api_token_epoch: origin.tokenEpoch }
        : { sid: origin.familyId }),
      // Owners of other types can have the same ids, and the same key.
      ...(owner.type !== DEFAULT_OWNER_TYPE && { owner_type: owner.type }),
      ...(allowedIps && { allowed_ips: allowedIps }),
      ...(resources && { allowed_resources: resources }),
      ...(dpopThumbprint !== undefined && { cnf: { jkt: dpopThumbprint } }),
    };
    this.writer ??= new CompactJwsWriter(config.signingKey, this.config.lookupTimeout);
    const accessToken = await this.writer.write(claims);
    if (accessToken.length > MAX_JWT_LENGTH) {
      // base64url has four characters for three bytes.
      const requested = (Buffer.byteLength(JSON.stringify([scopes.join(' '), allowedIps, resources])) * 4) / 3;
      // Without them it would fit, so the claims of the application are not to blame.
      if (accessToken.length - requested <= MAX_JWT_LENGTH) throw refuse('invalid_scope_format', TOO_MANY_SCOPES);
      throw new TypeError(
        `sigra: jwt.claims makes an access token of over ${MAX_JWT_LENGTH} bytes, which is never accepted`,
      );
    }
    const tokenType = dpopThumbprint === undefined ? 'Bearer' : 'DPoP';
    return { accessToken, expiresIn: exp - iat, expiresAt: new Date(exp * 1000), tokenType };
  }
}

/** The parts of a subject that a family determines. */
export function ofFamily({
  id,
  epoch,
  absoluteExpiresAt,
  allowedIps,
  resources,
  ...family
}: Pick<
  RefreshFamilyRow,
  'id' | 'ownerType' | 'ownerId' | 'epoch' | 'absoluteExpiresAt' | 'allowedIps' | 'resources'
>): Pick<AccessTokenSubject, 'owner' | 'origin' | 'epoch' | 'endsAt' | 'allowedIps' | 'resources'> {
  return { owner: ownerOf(family), origin: { familyId: id }, epoch, endsAt: absoluteExpiresAt, allowedIps, resources };
}

/** Whether a token that was signed without knowing the end of its origin is valid beyond it. */
export function outlives({ expiresAt }: SignedAccessToken, endsAt: Date | null): boolean {
  return endsAt !== null && expiresAt > endsAt;
}

/**
 * Converts the application's claims to JSON before Sigra's claims are added, so that a `toJSON` method cannot change
 * those.
 */
function asJson(built: unknown): Record<string, unknown> {
  let claims: unknown;
  try {
    // Without a JSON form, `JSON.parse` throws.
    claims = typeof built === 'object' ? JSON.parse(stringifyWithin(built, MAX_JWT_LENGTH) ?? '') : undefined;
  } catch (cause) {
    if (cause instanceof RangeError) {
      const bounds = `${MAX_JWT_LENGTH} characters of JSON and ${MAX_JSON_DEPTH} levels`;
      throw new TypeError(`sigra: jwt.claims must return at most ${bounds}`, { cause });
    }
    throw new TypeError('sigra: jwt.claims must return a JSON object', { cause });
  }
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) {
    throw new TypeError('sigra: jwt.claims must return an object');
  }
  const inherited = Object.keys(claims).find((name) => name in Object.prototype);
  // Where they are read, they would shadow what every object has.
  if (inherited !== undefined) throw new TypeError(`sigra: jwt.claims must not have a claim named ${inherited}`);
  return claims as Record<string, unknown>;
}
