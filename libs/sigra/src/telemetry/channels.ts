import { channel, tracingChannel } from 'node:diagnostics_channel';

/** What a subscriber of a tracing channel receives. Never a raw token. */
export interface SigraTrace {
  readonly userId?: string;
  readonly tokenId?: string;
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

/** Why an audit-only write was lost. */
export interface AuditLogSafeError {
  readonly reason: 'invalid_event' | 'constraint_violation' | 'unavailable';
  readonly actions: readonly string[];
  readonly error: unknown;
}

/** `sigra:audit:log_safe_error`: audit rows that could not be written, and whose caller was not failed for it. */
export const auditLogSafeError = channel('sigra:audit:log_safe_error');
