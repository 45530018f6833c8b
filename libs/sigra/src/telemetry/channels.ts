import { channel, tracingChannel } from 'node:diagnostics_channel';
import { contained, containedTracing } from './contained.js';

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

const tracing = (name: string) => containedTracing(tracingChannel<unknown, SigraTrace>(name));

/** `tracing:sigra:api_token:<operation>:start|end|asyncStart|asyncEnd|error` of `node:diagnostics_channel`. */
export const apiTokenChannels = {
  create: tracing('sigra:api_token:create'),
  verify: tracing('sigra:api_token:verify'),
  revoke: tracing('sigra:api_token:revoke'),
  revokeAll: tracing('sigra:api_token:revoke_all'),
  rotate: tracing('sigra:api_token:rotate'),
};

/** `tracing:sigra:jwt:<operation>:start|end|asyncStart|asyncEnd|error` of `node:diagnostics_channel`. */
export const jwtChannels = {
  generate: tracing('sigra:jwt:generate'),
  verify: tracing('sigra:jwt:verify'),
  refresh: tracing('sigra:jwt:refresh'),
};

/** A refresh token came back after it was rotated, and its family was revoked for it. */
export interface RefreshReuse {
  readonly userId: string;
  readonly familyId: string;
}

/** `sigra:jwt:refresh_reuse_detected`: published after the revocation is committed. */
export const refreshReuseDetected = contained(channel('sigra:jwt:refresh_reuse_detected'));

/** Why an audit-only write was lost. */
export interface AuditLogSafeError {
  /**
   * `invalid_event`: JSON or the columns cannot hold it; `constraint_violation`: a constraint refused it; `unavailable`:
   * the database did not answer.
   */
  readonly reason: 'invalid_event' | 'constraint_violation' | 'unavailable';
  /** One for each row that was lost. */
  readonly actions: readonly string[];
  readonly error: unknown;
}

/** `sigra:audit:log_safe_error`: audit rows that could not be written, and whose caller was not failed for it. */
export const auditLogSafeError = contained(channel('sigra:audit:log_safe_error'));
