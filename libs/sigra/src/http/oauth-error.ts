import { HttpRefusal, quotable, RETRY_LATER } from '../auth/http-refusal.js';
import { isBadCredential, isOutage, type SigraError, type SigraErrorCode } from '../common/sigra-error.js';

/** Error codes of RFC 6749 section 5.2, RFC 7009 section 2.2.1, and for a server that cannot answer now. */
export type OAuthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'invalid_scope'
  | 'unsupported_grant_type'
  | 'unsupported_token_type'
  | 'temporarily_unavailable';

/** A refusal in the form of RFC 6749 section 5.2. */
export class OAuthError extends HttpRefusal {
  constructor(
    status: number,
    error: OAuthErrorCode,
    description: string,
    options: { readonly headers?: Readonly<Record<string, string>>; readonly cause?: SigraError } = {},
  ) {
    const headers = { 'Cache-Control': 'no-store', Pragma: 'no-cache', ...options.headers };
    super(status, { error, error_description: quotable(description) }, headers, options.cause);
  }
}

/** RFC 6749 section 5.2: a client that authenticates in a header is challenged in the same scheme. */
export function invalidClient(authorization: string, realm: string): OAuthError {
  const scheme = /^[A-Za-z][A-Za-z0-9-]{0,31}(?= |$)/.exec(authorization)?.[0] ?? 'Bearer';
  return new OAuthError(401, 'invalid_client', 'Clients do not authenticate at this endpoint.', {
    headers: { 'WWW-Authenticate': `${scheme} realm="${realm}"` },
  });
}

/** One description for every invalid refresh token: the answer must not reveal the reason. */
const INVALID_GRANT = 'The refresh token is invalid, revoked, expired or was used before.';

const SCOPE_CODES: ReadonlySet<SigraErrorCode> = new Set([
  'insufficient_scope',
  'scopes_required',
  'invalid_scope_format',
  'unregistered_scopes',
]);

/** The OAuth form of a refusal by a service. */
export function toOAuthError(cause: SigraError): OAuthError {
  if (isBadCredential(cause)) return new OAuthError(400, 'invalid_grant', INVALID_GRANT, { cause });
  if (SCOPE_CODES.has(cause.code)) return new OAuthError(400, 'invalid_scope', cause.message, { cause });
  if (!isOutage(cause)) return new OAuthError(400, 'invalid_request', cause.message, { cause });
  // Without `Retry-After`, when the request may have been executed: RFC 6749 has no code that says so.
  const headers = cause.code === 'outcome_unknown' ? {} : RETRY_LATER;
  return new OAuthError(503, 'temporarily_unavailable', cause.message, { headers, cause });
}
