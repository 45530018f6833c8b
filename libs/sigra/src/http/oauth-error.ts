import { HttpException } from '@nestjs/common';
import type { SigraError, SigraErrorCode } from '../common/sigra-error.js';

/** Error codes of RFC 6749 section 5.2, RFC 7009 section 2.2.1, and for a server that cannot answer now. */
export type OAuthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'invalid_scope'
  | 'unsupported_grant_type'
  | 'unsupported_token_type'
  | 'temporarily_unavailable';

/** An error answer in the form of RFC 6749 section 5.2. */
export class OAuthError extends HttpException {
  /** The `WWW-Authenticate` that goes with it. */
  readonly challenge: string | undefined;

  constructor(
    status: number,
    error: OAuthErrorCode,
    readonly description: string,
    options: { readonly challenge?: string; readonly cause?: unknown } = {},
  ) {
    super({ error, error_description: description }, status, { cause: options.cause });
    this.challenge = options.challenge;
  }
}

/** RFC 6749 section 5.2: whoever tried to authenticate in a header is challenged in the same scheme. */
export function invalidClient(authorization: string, realm: string): OAuthError {
  const scheme = /^[A-Za-z][A-Za-z0-9-]{0,31}(?= |$)/.exec(authorization)?.[0] ?? 'Bearer';
  return new OAuthError(401, 'invalid_client', 'Clients do not authenticate at this endpoint.', {
    challenge: `${scheme} realm="${realm}"`,
  });
}

/** One description for every refresh token that is no good: the answer must not tell why. */
const INVALID_GRANT = 'The refresh token is invalid, revoked, expired or was used before.';

const GRANT_CODES: ReadonlySet<SigraErrorCode> = new Set([
  'invalid_token',
  'token_revoked',
  'token_expired',
  'reuse_detected',
]);
const SCOPE_CODES: ReadonlySet<SigraErrorCode> = new Set([
  'insufficient_scope',
  'scopes_required',
  'invalid_scope_format',
  'unregistered_scopes',
]);

/** What a service rejected with, as an OAuth error. */
export function toOAuthError(cause: SigraError): OAuthError {
  if (GRANT_CODES.has(cause.code)) return new OAuthError(400, 'invalid_grant', INVALID_GRANT, { cause });
  if (SCOPE_CODES.has(cause.code)) return new OAuthError(400, 'invalid_scope', cause.message, { cause });
  if (cause.code === 'unavailable' || cause.code === 'refresh_aborted') {
    return new OAuthError(503, 'temporarily_unavailable', cause.message, { cause });
  }
  return new OAuthError(400, 'invalid_request', cause.message, { cause });
}
