import { decodeProtectedHeader, jwtVerify } from 'jose';
import { isNumericDate } from '../../common/clock.js';
import { refuse, SigraError } from '../../common/sigra-error.js';
import type { Moment } from '../../common/remote-keys.js';
import { IssuerKeys, type KeySet } from './issuer-keys.js';
import type { ForeignClaims } from './trusted-issuer.options.js';
import type { TrustedIssuer } from './trusted-issuer.section.js';

/** Claims of ID tokens (OpenID Connect Core sections 2 and 3.3.2.11) and of security events, such as logout tokens (RFC 8417). */
const OTHER_PURPOSES = ['nonce', 'at_hash', 'c_hash', 's_hash', 'events'];

/** Reads tokens of one issuer: header, signature and claims. */
export class ForeignTokenReader {
  private readonly keys: IssuerKeys;

  constructor(private readonly issuer: TrustedIssuer) {
    this.keys = new IssuerKeys(issuer);
  }

  /**
   * @throws SigraError `invalid_token`, `token_expired`; `unavailable` when the keys cannot be read
   */
  async read(jwt: string, moment: Moment): Promise<ForeignClaims> {
    this.assertHeader(jwt);
    let keys: KeySet | undefined = await this.keys.current(moment);
    for (;;) {
      try {
        const claims = await this.verify(jwt, keys, moment.now);
        this.assertClaims(claims, moment.now);
        return claims;
      } catch (error) {
        keys = isUnknownKey(error) ? await this.keys.after(keys, moment) : undefined;
        if (!keys) throw refusalOf(error);
      }
    }
  }

  /** What is refused before a key is looked for. */
  private assertHeader(jwt: string): void {
    const { typ = 'JWT', crit, b64 } = headerOf(jwt);
    // RFC 7515 section 4.1.11: extensions that are not supported must be rejected, and none is supported.
    if (crit !== undefined || b64 !== undefined) throw invalid('The header has critical extensions.');
    const type = typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : '';
    if (!this.issuer.types.has(type)) throw invalid('typ is not a type of the issuer.');
  }

  /** The keys are those of this issuer alone, and the configuration chooses the algorithms (RFC 8725 sections 3.1 and 3.8). */
  private async verify(jwt: string, keys: KeySet, now: Date): Promise<ForeignClaims> {
    const { issuer, audience, audienceClaim, algorithms, clockTolerance } = this.issuer;
    const { payload } = await jwtVerify(jwt, keys, {
      algorithms: [...algorithms],
      issuer,
      ...(audienceClaim === 'aud' && { audience: [...audience] }),
      clockTolerance,
      currentDate: now,
      requiredClaims: ['exp', 'iat'],
    });
    return payload as unknown as ForeignClaims;
  }

  /** What the library of JWTs does not check. */
  private assertClaims(claims: ForeignClaims, now: Date): void {
    const { audience, audienceClaim, idTokens, accepts, clockTolerance } = this.issuer;
    if (audienceClaim !== 'aud' && !isAudience(claims[audienceClaim], audience)) {
      throw invalid(`${audienceClaim} does not include the configured audience.`);
    }
    if (!isNumericDate(claims.exp) || !isNumericDate(claims.iat)) throw invalid('exp or iat is not a valid timestamp.');
    // It decides which revocations the token survives.
    if (claims.iat > now.getTime() / 1000 + clockTolerance) throw invalid('iat is in the future.');
    // RFC 7800, RFC 8705, RFC 9449: only the holder of a key can use it, and a bearer proves nothing.
    if (claims.cnf !== undefined) throw invalid('The token is bound to a key, so it is not a bearer token.');
    if (!idTokens && OTHER_PURPOSES.some((claim) => Object.hasOwn(claims, claim))) {
      throw invalid('The token is an ID token or a logout token.');
    }
    // Exactly true: a promise is truthy, and would accept every token.
    if (accepts(claims) !== true) throw invalid('accepts() has refused the token.');
  }
}

function headerOf(jwt: string): Readonly<Record<string, unknown>> {
  try {
    return decodeProtectedHeader(jwt);
  } catch {
    throw invalid('The header is malformed.');
  }
}

function isAudience(value: unknown, audience: readonly string[]): boolean {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values.some((each) => typeof each === 'string' && audience.includes(each));
}

function isUnknownKey(error: unknown): boolean {
  return codeOf(error) === 'ERR_JWKS_NO_MATCHING_KEY';
}

/**
 * Only the message of an error of `jose` is kept: the error itself has the claims, which must not reach logs. One without a code
 * comes from a key that cannot be used, such as a short one, and refuses the token like a wrong signature.
 */
function refusalOf(error: unknown): unknown {
  if (error instanceof SigraError) return error;
  const code = codeOf(error);
  if (code === 'ERR_JWT_EXPIRED') return refuse('token_expired', 'The token has expired.');
  const isKnown = error instanceof Error && typeof code === 'string';
  return invalid(isKnown ? `The token is invalid: ${error.message}.` : 'The key of the token cannot be used.');
}

function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown } | null | undefined)?.code;
}

function invalid(message: string): SigraError {
  return refuse('invalid_token', message);
}
