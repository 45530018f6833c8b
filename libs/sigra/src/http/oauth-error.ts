import { HttpException } from '@nestjs/common';
import { SigraError, type SigraErrorCode } from '../common/sigra-error.js';

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
  constructor(status: number, error: OAuthErrorCode, description: string, cause?: unknown) {
    super({ error, error_description: description }, status, { cause });
  }
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

/** What a service rejected with, as an OAuth error; what is not one stays as it is. */
export function toOAuthError(error: unknown): unknown {
  if (!(error instanceof SigraError)) return error;
  if (GRANT_CODES.has(error.code)) return new OAuthError(400, 'invalid_grant', INVALID_GRANT, error);
  if (SCOPE_CODES.has(error.code)) return new OAuthError(400, 'invalid_scope', error.message, error);
  if (error.code === 'unavailable' || error.code === 'refresh_aborted') {
    return new OAuthError(503, 'temporarily_unavailable', error.message, error);
  }
  return error;
}
