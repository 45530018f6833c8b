import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { Clock } from '../common/clock.js';
import { InjectSigraConfig, type JwtConfig, type SigraConfig } from '../config/sigra-config.js';
import type { AccessTokenClaims } from './access-token-claims.js';
import { MAX_JWT_LENGTH } from './compact-jws.js';

/** What an access token is made for. */
export interface AccessTokenSubject {
  readonly userId: string;
  /** The application's own claims, from `ownClaims`. */
  readonly ownClaims: Readonly<Record<string, unknown>>;
  readonly familyId: string;
  /** The family's epoch, never the user's current one: a token must not outlive a sign-out that it raced with. */
  readonly epoch: number;
  readonly scopes: readonly string[];
  readonly familyExpiresAt: Date;
}

/** What signing gives out. */
export interface SignedAccessToken {
  readonly accessToken: string;
  /** Seconds until it expires. */
  readonly expiresIn: number;
}

/** Claims that Sigra alone sets; a host's builder cannot even add those that it leaves out. */
const RESERVED = ['iss', 'sub', 'aud', 'client_id', 'iat', 'nbf', 'exp', 'jti', 'scope', 'epoch', 'sid'] as const;

/** Signs access tokens (RFC 9068), through `@nestjs/jwt`. */
@Injectable()
export class AccessTokenSigner {
  private readonly jwt: JwtService | undefined;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
  ) {
    if (config.jwt) this.jwt = signerOf(config.jwt);
  }

  /**
   * What the host's `jwt.claims` says of a user. Asked before any lock is taken: it may do what it likes.
   *
   * @throws TypeError when it returns something else than an object that JSON can say
   */
  async ownClaims(user: object): Promise<Readonly<Record<string, unknown>>> {
    const claims = asJson(await this.config.jwt?.claims(user));
    for (const claim of RESERVED) Reflect.deleteProperty(claims, claim);
    return claims;
  }

  /**
   * @param now when it counts as signed: a test's expired token was signed long ago
   * @throws TypeError when the application's claims make it too long to be accepted
   */
  sign(subject: AccessTokenSubject, now: Date = this.clock.now()): SignedAccessToken {
    const { jwt, config } = this;
    if (!jwt || !config.jwt) throw new Error('sigra: JWTs are not enabled');
    const iat = Math.floor(now.getTime() / 1000);
    const exp = Math.min(iat + config.jwt.accessTtl, Math.floor(subject.familyExpiresAt.getTime() / 1000));
    const claims: AccessTokenClaims = {
      ...subject.ownClaims,
      iss: config.jwt.issuer,
      sub: subject.userId,
      aud: config.jwt.audience,
      client_id: config.jwt.clientId,
      iat,
      exp,
      jti: randomUUID(),
      scope: subject.scopes.join(' '),
      epoch: subject.epoch,
      sid: subject.familyId,
    };
    const accessToken = jwt.sign(claims);
    if (accessToken.length > MAX_JWT_LENGTH) {
      throw new TypeError(`sigra: jwt.claims made an access token of over ${MAX_JWT_LENGTH} bytes, which none accepts`);
    }
    return { accessToken, expiresIn: exp - iat };
  }
}

/** What JSON makes of the host's claims, found out before ours join them: a `toJSON` must not have the last word. */
function asJson(built: unknown): Record<string, unknown> {
  let claims: unknown;
  try {
    claims = typeof built === 'object' ? JSON.parse(JSON.stringify(built)) : undefined;
  } catch (cause) {
    throw new TypeError('sigra: jwt.claims must return what JSON can say', { cause });
  }
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) {
    throw new TypeError('sigra: jwt.claims must return an object');
  }
  const inherited = Object.keys(claims).find((name) => name in Object.prototype);
  // jsonwebtoken would take them for rules of its own.
  if (inherited !== undefined) throw new TypeError(`sigra: jwt.claims must not have a claim named ${inherited}`);
  return claims as Record<string, unknown>;
}

function signerOf({ signingKey: { kid, algorithm, signingKey } }: JwtConfig): JwtService {
  if (!signingKey) throw new Error('sigra: the signing key has no private part');
  return new JwtService({
    ...(algorithm === 'HS256' ? { secret: signingKey } : { privateKey: signingKey }),
    signOptions: { algorithm, header: { typ: 'at+jwt', alg: algorithm, kid } },
  });
}
