import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { MAX_JSON_DEPTH, stringifyWithin } from '../common/bounded-json.js';
import { Clock } from '../common/clock.js';
import type { JwtKey } from '../config/jwt-keys.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { RefreshFamilyRow } from '../persistence/tables.js';
import type { AccessTokenClaims } from './access-token-claims.js';
import { MAX_JWT_LENGTH } from './compact-jws.reader.js';
import { enabledJwt } from './jwt-config.js';

/** The family, claims and scopes of an access token to sign. */
export interface AccessTokenSubject {
  /** The token's family. Its epoch, not the user's current one, so that a concurrent sign-out invalidates the token. */
  readonly family: Pick<RefreshFamilyRow, 'id' | 'ownerType' | 'ownerId' | 'epoch' | 'absoluteExpiresAt'>;
  /** The application's own claims, from `ownClaims`. */
  readonly ownClaims: Readonly<Record<string, unknown>>;
  /** The scopes that the token grants. */
  readonly scopes: readonly string[];
}

/** A signed access token. */
export interface SignedAccessToken {
  readonly accessToken: string;
  /** Seconds until the token expires. */
  readonly expiresIn: number;
}

/** The type of owners whose tokens have no `owner_type`. */
export const DEFAULT_OWNER_TYPE = 'user';

/** Claims that `jwt.claims` cannot set, including those that Sigra omits. */
const RESERVED = [
  'iss',
  'sub',
  'aud',
  'client_id',
  'iat',
  'nbf',
  'exp',
  'jti',
  'scope',
  'epoch',
  'sid',
  'owner_type',
] as const;

/** Signs access tokens (RFC 9068), through `@nestjs/jwt`. */
@Injectable()
export class AccessTokenSigner {
  private jwt: JwtService | undefined;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
  ) {}

  /**
   * Gets the application's claims for a user from `jwt.claims`. Call it before any lock is taken, because it can take long.
   *
   * @throws TypeError when `jwt.claims` does not return a JSON object, or one that is too large for a token; also the errors
   * of `jwt.claims`
   */
  async ownClaims(user: object): Promise<Readonly<Record<string, unknown>>> {
    const claims = asJson(await this.config.jwt?.claims(user));
    for (const claim of RESERVED) Reflect.deleteProperty(claims, claim);
    return claims;
  }

  /**
   * Signs an access token.
   *
   * @param now the time of signing. @default the clock's time
   * @throws TypeError when the application's claims make the token too long to be accepted
   */
  sign({ family, ownClaims, scopes }: AccessTokenSubject, now: Date = this.clock.now()): SignedAccessToken {
    const config = enabledJwt(this.config);
    const iat = Math.floor(now.getTime() / 1000);
    const exp = Math.min(iat + config.accessTtl, Math.floor(family.absoluteExpiresAt.getTime() / 1000));
    const claims: AccessTokenClaims = {
      ...ownClaims,
      iss: config.issuer,
      sub: family.ownerId,
      aud: config.audience,
      client_id: config.clientId,
      iat,
      exp,
      jti: randomUUID(),
      scope: scopes.join(' '),
      epoch: family.epoch,
      sid: family.id,
      // Owners of other types can have the same ids, and the same key.
      ...(family.ownerType !== DEFAULT_OWNER_TYPE && { owner_type: family.ownerType }),
    };
    this.jwt ??= signerOf(config.signingKey);
    const accessToken = this.jwt.sign(claims);
    if (accessToken.length > MAX_JWT_LENGTH) {
      throw new TypeError(
        `sigra: jwt.claims makes an access token of over ${MAX_JWT_LENGTH} bytes, which is never accepted`,
      );
    }
    return { accessToken, expiresIn: exp - iat };
  }
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
  // jsonwebtoken would treat them as options of its own.
  if (inherited !== undefined) throw new TypeError(`sigra: jwt.claims must not have a claim named ${inherited}`);
  return claims as Record<string, unknown>;
}

function signerOf({ kid, algorithm, signingKey }: JwtKey): JwtService {
  if (!signingKey) throw new Error('sigra: the signing key has no private part');
  return new JwtService({
    ...(algorithm === 'HS256' ? { secret: signingKey } : { privateKey: signingKey }),
    signOptions: { algorithm, header: { typ: 'at+jwt', alg: algorithm, kid } },
  });
}
