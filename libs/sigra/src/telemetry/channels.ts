import { channel, tracingChannel } from 'node:diagnostics_channel';

/** What a subscriber of a tracing channel receives. Never a raw token. */
export interface SigraTrace {
  readonly userId?: string;
  readonly tokenId?: string;
  readonly familyId?: string;
  /** A summary of what the operation resolved to, once it has. */
  result?: unknown;
  /** What it rejected with: a SigraError with a `code`, as a rule. */
  error?: unknown;
}

/** `tracing:sigra:api_token:<operation>:start|end|asyncStart|asyncEnd|error` of `node:diagnostics_channel`. */
export const apiTokenChannels = {
  create: tracingChannel<unknown, SigraTrace>('sigra:api_token:create'),
  verify: tracingChannel<unknown, SigraTrace>('sigra:api_token:verify'),
  revoke: tracingChannel<unknown, SigraTrace>('sigra:api_token:revoke'),
  revokeAll: tracingChannel<unknown, SigraTrace>('sigra:api_token:revoke_all'),
  rotate: tracingChannel<unknown, SigraTrace>('sigra:api_token:rotate'),
};

/** `tracing:sigra:jwt:<operation>:start|end|asyncStart|asyncEnd|error` of `node:diagnostics_channel`. */
export const jwtChannels = {
  generate: tracingChannel<unknown, SigraTrace>('sigra:jwt:generate'),
  verify: tracingChannel<unknown, SigraTrace>('sigra:jwt:verify'),
  refresh: tracingChannel<unknown, SigraTrace>('sigra:jwt:refresh'),
};

/** A refresh token came back after it was rotated, and its family was revoked for it. */
export interface RefreshReuse {
  readonly userId: string;
  readonly familyId: string;
}

/** `sigra:jwt:refresh_reuse_detected`: published after the revocation is committed. */
export const refreshReuseDetected = channel('sigra:jwt:refresh_reuse_detected');

/** Why an audit-only write was lost. */
export interface AuditLogSafeError {
  readonly reason: 'invalid_event' | 'constraint_violation' | 'unavailable';
  readonly actions: readonly string[];
  readonly error: unknown;
}

/** `sigra:audit:log_safe_error`: audit rows that could not be written, and whose caller was not failed for it. */
export const auditLogSafeError = channel('sigra:audit:log_safe_error');
