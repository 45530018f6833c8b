import { HttpException } from '@nestjs/common';
import { HttpRefusal, quotable, RETRY_LATER } from '../auth/http-refusal.js';
import { factsOf, isBadCredential, SigraError } from '../common/sigra-error.js';

/**
 * Error codes of RFC 6749 section 5.2, RFC 7009 section 2.2.1, RFC 8707 section 2 and RFC 9449 section 5, and for what no
 * RFC has a code for.
 */
export type OAuthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'invalid_scope'
  | 'invalid_target'
  | 'unsupported_grant_type'
  | 'unsupported_token_type'
  | 'invalid_dpop_proof'
  | 'invalid_token'
  | 'insufficient_scope'
  | 'access_denied'
  | 'server_error'
  | 'temporarily_unavailable'
  | 'outcome_unknown';

/** A refusal in the form of RFC 6749 section 5.2. */
export class OAuthError extends HttpRefusal {
  constructor(
    status: number,
    error: OAuthErrorCode,
    description: string,
    options: { readonly headers?: Readonly<Record<string, string>>; readonly cause?: unknown } = {},
  ) {
    const headers = { 'Cache-Control': 'no-store', Pragma: 'no-cache', ...options.headers };
    super(status, { error, error_description: quotable(description) }, headers, options.cause);
  }
}

/**
 * The refusal of a client (RFC 6749 section 5.2). One that authenticates in a header is challenged for the scheme that it can use
 * there.
 */
export function invalidClient(description: string, challenge?: string): OAuthError {
  return new OAuthError(401, 'invalid_client', description, {
    headers: { ...(challenge !== undefined && { 'WWW-Authenticate': challenge }) },
  });
}

/** One description for every invalid refresh token: the answer must not reveal the reason. */
const INVALID_GRANT = 'The refresh token is invalid, revoked, expired or was used before.';

/** The OAuth form of everything that can be thrown on the way to an answer. */
export function toOAuthError(thrown: unknown): OAuthError {
  if (thrown instanceof OAuthError) return thrown;
  if (thrown instanceof SigraError) return ofService(thrown);
  if (thrown instanceof HttpRefusal) return ofGuard(thrown);
  if (thrown instanceof HttpException) return ofStatus(thrown.getStatus(), thrown);
  return ofStatus(500, thrown);
}

/** Of refusals by services. All others are 400. */
const KEPT_STATUSES: ReadonlySet<number> = new Set([413, 415, 503]);

/**
 * A refusal by a service. Clients repeat what is only unavailable. A page of another origin cannot read `Retry-After`, so
 * the code of an unknown outcome differs, too.
 */
function ofService(cause: SigraError): OAuthError {
  const { status, oauth = 'invalid_request', isRepeatable } = factsOf(cause);
  const description = isBadCredential(cause) ? INVALID_GRANT : cause.message;
  return new OAuthError(KEPT_STATUSES.has(status) ? status : 400, oauth, description, {
    headers: { ...(isRepeatable && RETRY_LATER) },
    cause,
  });
}

const CODES_OF_GUARDS: Readonly<Partial<Record<string, OAuthErrorCode>>> = {
  unauthorized: 'invalid_client',
  invalid_token: 'invalid_token',
  invalid_dpop_proof: 'invalid_dpop_proof',
  insufficient_scope: 'insufficient_scope',
  outcome_unknown: 'outcome_unknown',
};

/** A refusal by a guard, which keeps its status and its challenge (RFC 7662 section 2.3). */
function ofGuard(refusal: HttpRefusal): OAuthError {
  const status = refusal.getStatus();
  const { error, message } = refusal.getResponse() as { readonly error: string; readonly message: string };
  const code = CODES_OF_GUARDS[error] ?? (status === 503 ? 'temporarily_unavailable' : 'invalid_request');
  return new OAuthError(status, code, message, { headers: refusal.headers, cause: refusal.cause });
}

/**
 * Statuses of the framework, of parsers and of the application. Their messages are not repeated: that of a JSON parser quotes the
 * body.
 */
const BY_STATUS: Readonly<Partial<Record<number, readonly [OAuthErrorCode, string]>>> = {
  401: ['invalid_client', 'The request is not authenticated.'],
  403: ['access_denied', 'The request is not allowed.'],
  413: ['invalid_request', 'The body is too large.'],
  415: ['invalid_request', 'The media type of the body is not supported.'],
  429: ['temporarily_unavailable', 'There were too many requests.'],
  503: ['temporarily_unavailable', 'The server cannot answer now.'],
};

/** An error of an HTTP status. */
export function ofStatus(status: number, cause: unknown): OAuthError {
  const [code, description] = BY_STATUS[status] ?? (status < 500 ? MALFORMED : UNEXPECTED);
  return new OAuthError(status, code, description, { cause });
}

const MALFORMED = ['invalid_request', 'The request is malformed.'] as const;
const UNEXPECTED = ['server_error', 'The server could not answer.'] as const;
