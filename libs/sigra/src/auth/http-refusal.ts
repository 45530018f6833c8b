import { HttpException, HttpStatus } from '@nestjs/common';
import { type SigraError, type SigraErrorCode, withoutStack } from '../common/sigra-error.js';
import type { HttpResponse } from './http-exchange.js';

/** How long a client should wait after 503, in seconds. */
const RETRY_AFTER = '1';

/** What an HTTP client is told about a refusal. */
export interface HttpRefusalBody {
  readonly statusCode: number;
  /** A stable code: of RFC 6750 where it has one, else Sigra's own. */
  readonly error: string;
  readonly message: string;
  /** With `insufficient_scope`: all scopes that the route requires. */
  readonly required?: readonly string[];
  /** With `insufficient_scope`: those of them that the credential lacks. */
  readonly missing?: readonly string[];
}

/** A refusal as Nest knows it: status and body, and the headers that belong to them. */
export class HttpRefusal extends HttpException {
  constructor(
    body: HttpRefusalBody,
    readonly headers: Readonly<Record<string, string>>,
    cause: SigraError,
  ) {
    super(body, body.statusCode, { cause });
  }

  /** Sets the headers. Guards do it before they throw, so that a host's own exception filter cannot lose them. */
  applyHeaders(response: HttpResponse | undefined): this {
    for (const [name, value] of Object.entries(this.headers)) response?.header(name, value);
    return this;
  }
}

const STATUS: Partial<Record<SigraErrorCode, HttpStatus>> = {
  unauthorized: HttpStatus.UNAUTHORIZED,
  invalid_token: HttpStatus.UNAUTHORIZED,
  token_revoked: HttpStatus.UNAUTHORIZED,
  token_expired: HttpStatus.UNAUTHORIZED,
  epoch_mismatch: HttpStatus.UNAUTHORIZED,
  reuse_detected: HttpStatus.UNAUTHORIZED,
  insufficient_scope: HttpStatus.FORBIDDEN,
  cross_origin: HttpStatus.FORBIDDEN,
  not_found: HttpStatus.NOT_FOUND,
  unavailable: HttpStatus.SERVICE_UNAVAILABLE,
  refresh_aborted: HttpStatus.SERVICE_UNAVAILABLE,
};

/** The answer of RFC 6750 section 3 to a refused request, or a plain one to refused input. */
export function toHttpRefusal(error: SigraError, realm: string): HttpRefusal {
  // The trace worth having is that of the cause.
  return withoutStack(() => refusalOf(error, realm));
}

function refusalOf(error: SigraError, realm: string): HttpRefusal {
  const statusCode = STATUS[error.code] ?? HttpStatus.BAD_REQUEST;
  switch (error.code) {
    case 'unauthorized':
      // RFC 6750 section 3.1: a request without a credential learns no error code from the header.
      return refusal(error, statusCode, { challenge: `Bearer realm="${realm}"` });
    case 'invalid_token':
    case 'token_revoked':
    case 'token_expired':
    case 'epoch_mismatch':
    case 'reuse_detected':
      return invalidToken(error, realm);
    case 'invalid_request':
      return refusal(error, statusCode, { challenge: challenge(realm, 'invalid_request', error.message) });
    case 'insufficient_scope':
      return refusal(error, statusCode, { challenge: scopeChallenge(error, realm) });
    case 'unavailable':
    case 'refresh_aborted':
      return refusal(error, statusCode, { retryAfter: RETRY_AFTER });
    default:
      return refusal(error, statusCode, {});
  }
}

/** One description for unknown, revoked and expired: the answer must not tell which tokens exist. */
function invalidToken(error: SigraError, realm: string): HttpRefusal {
  const message = 'The access token is invalid, revoked or expired.';
  return new HttpRefusal(
    { statusCode: HttpStatus.UNAUTHORIZED, error: 'invalid_token', message },
    { 'WWW-Authenticate': challenge(realm, 'invalid_token', message) },
    error,
  );
}

function refusal(
  error: SigraError,
  statusCode: number,
  headers: { challenge?: string; retryAfter?: string },
): HttpRefusal {
  return new HttpRefusal(
    { statusCode, error: error.code, message: error.message, ...error.refusal },
    {
      ...(headers.challenge !== undefined && { 'WWW-Authenticate': headers.challenge }),
      ...(headers.retryAfter !== undefined && { 'Retry-After': headers.retryAfter }),
    },
    error,
  );
}

function scopeChallenge(error: SigraError, realm: string): string {
  const scope = error.refusal?.required.join(' ') ?? '';
  return `${challenge(realm, 'insufficient_scope', error.message)}, scope="${scope}"`;
}

function challenge(realm: string, error: string, description: string): string {
  return `Bearer realm="${realm}", error="${error}", error_description="${quotable(description)}"`;
}

/**
 * A text as `error_description` may have it (RFC 6750 section 3). It may repeat what the client sent, and a character that
 * no header can have would take the whole answer down, on Fastify with the process.
 */
function quotable(text: string): string {
  return text
    .slice(0, 200)
    .replace(/["\\]/g, "'")
    .replace(/[^ -~]/g, '?');
}
