import { Injectable } from '@nestjs/common';
import { Clock } from '../common/clock.js';
import { isScope } from '../common/scope-grammar.js';
import { refuse, SigraError } from '../common/sigra-error.js';
import { isUuid } from '../common/uuid.js';
import { InjectSigraConfig, type JwtConfig, type SigraConfig } from '../config/sigra-config.js';
import { SubjectReader } from '../persistence/subject-reader.js';
import { jwtChannels } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';
import type { AccessTokenClaims } from './access-token-claims.js';
import { CompactJwsReader } from './compact-jws.js';

/** An access token that is good now, and its user. */
export interface VerifiedAccessToken {
  readonly claims: AccessTokenClaims;
  /** With `check: 'stateless'` nothing but the id. */
  readonly user: object;
}

/** The last instant of the year 9999, in seconds. */
const MAX_TIME = 253_402_300_799;
/** PostgreSQL stores no NUL, and no half of a surrogate pair: no user has such an id. */
const UNSTORABLE = /[\0\p{Cs}]/u;

/** Tells good access tokens from all others: signature, claims, and what the database says by `jwt.check`. */
@Injectable()
export class AccessTokenVerifier {
  private readonly reader: CompactJwsReader | undefined;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly subjects: SubjectReader,
  ) {
    if (config.jwt) this.reader = new CompactJwsReader(config.jwt.keys);
  }

  /** Whether a bearer credential claims to be a JWT that this application could accept. */
  claims(credential: string): boolean {
    return this.config.jwt !== undefined && credential.startsWith('eyJ');
  }

  /**
   * @throws SigraError `jwt_disabled`, `invalid_token`, `token_expired`, `epoch_mismatch`, `token_revoked`,
   * `unavailable`
   */
  verify(jwt: string): Promise<VerifiedAccessToken> {
    return traced(
      jwtChannels.verify,
      {},
      () => this.check(jwt),
      ({ claims }) => ({ sub: claims.sub, jti: claims.jti, sid: claims.sid }),
    );
  }

  private async check(jwt: string): Promise<VerifiedAccessToken> {
    const config = this.config.jwt;
    if (!config || !this.reader) throw new SigraError('jwt_disabled', 'JWTs are not enabled.');
    const payload = this.reader.open(jwt);
    assertClaims(payload, config, this.clock.now().getTime() / 1000);
    if (config.check === 'stateless') {
      return { claims: payload, user: { [this.config.users.idProperty]: payload.sub } };
    }
    return { claims: payload, user: await this.liveUser(payload, config.check === 'family') };
  }

  private async liveUser(claims: AccessTokenClaims, byFamily: boolean): Promise<object> {
    if (byFamily && !isUuid(claims.sid)) throw invalid('The sid names no sign-in.');
    const subject = await this.subjects.find(claims.sub, byFamily ? claims.sid : undefined);
    if (!subject) throw invalid('The subject may not sign in.');
    if (subject.epoch !== (claims.epoch ?? 0)) {
      throw refuse('epoch_mismatch', 'The user has signed out everywhere since.');
    }
    if (byFamily && !subject.familyLive) throw refuse('token_revoked', 'The sign-in has been revoked.');
    return subject.user;
  }
}

type Payload = Readonly<Record<string, unknown>>;

/** RFC 9068 section 4 and RFC 7519 section 4.1, strictly: a claim of the wrong type is a wrong claim. */
function assertClaims(
  payload: Payload,
  config: JwtConfig,
  now: number,
): asserts payload is AccessTokenClaims & Payload {
  const { iss, aud, exp, iat, nbf, sub, jti, client_id, scope, epoch, sid } = payload;
  const tolerance = config.clockTolerance;
  if (iss !== config.issuer) throw invalid('The iss is another.');
  if (!isAudience(aud, config.audience)) throw invalid('The aud is another.');
  if (!isTime(exp)) throw invalid('The exp is missing or no time.');
  if (!isTime(iat)) throw invalid('The iat is missing or no time.');
  if (iat > now + tolerance) throw invalid('The iat is in the future.');
  if (nbf !== undefined && !isTime(nbf)) throw invalid('The nbf is no time.');
  if (nbf !== undefined && nbf > now + tolerance) throw invalid('The nbf is in the future.');
  if (!isText(sub) || UNSTORABLE.test(sub)) throw invalid('The sub is missing or no text.');
  if (!isText(jti)) throw invalid('The jti is missing or no text.');
  if (!isText(client_id)) throw invalid('The client_id is missing or no text.');
  if (scope !== undefined && !isScopeClaim(scope)) throw invalid('The scope is no list of scopes.');
  if (epoch !== undefined && !isWholeNumber(epoch)) throw invalid('The epoch is no whole number.');
  if (sid !== undefined && !isText(sid)) throw invalid('The sid is no text.');
  if (exp + tolerance <= now) throw refuse('token_expired', 'The token has expired.');
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= MAX_TIME;
}

function isWholeNumber(value: unknown): boolean {
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
