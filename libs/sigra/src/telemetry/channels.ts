import { channel, type TracingChannel, tracingChannel } from 'node:diagnostics_channel';
import { isUuid } from '../common/uuid.js';
import { contained, containedTracing } from './contained.js';

/** The message on a tracing channel. It never contains a raw token. */
export interface SigraTrace {
  /** The id of the owner, if it is a user. */
  readonly userId?: string;
  /** The type of another owner. */
  readonly ownerType?: string;
  /** The id of another owner. */
  readonly ownerId?: string;
  readonly tokenId?: string;
  readonly familyId?: string;
  /** A summary of the result, once the operation has resolved. */
  result?: unknown;
  /** The error that the operation rejected with: usually a SigraError with a `code`. */
  error?: unknown;
}

/** The trace for a token id. Includes the id only if it is a UUID, because some callers pass the raw token by mistake. */
export function tokenTrace(tokenId: string): SigraTrace {
  return isUuid(tokenId) ? { tokenId } : {};
}

const tracing = (name: string) => containedTracing(tracingChannel<object, SigraTrace>(name));

/** `tracing:sigra:api_token:<operation>:start|end|asyncStart|asyncEnd|error` of `node:diagnostics_channel`. */
export const apiTokenChannels = {
  create: tracing('sigra:api_token:create'),
  verify: tracing('sigra:api_token:verify'),
  revoke: tracing('sigra:api_token:revoke'),
  revokeAll: tracing('sigra:api_token:revoke_all'),
  update: tracing('sigra:api_token:update'),
  rotate: tracing('sigra:api_token:rotate'),
};

/** `tracing:sigra:jwt:<operation>:start|end|asyncStart|asyncEnd|error` of `node:diagnostics_channel`. */
export const jwtChannels = {
  generate: tracing('sigra:jwt:generate'),
  verify: tracing('sigra:jwt:verify'),
  refresh: tracing('sigra:jwt:refresh'),
};

/** `tracing:sigra:owner:<operation>:start|end|asyncStart|asyncEnd|error` of `node:diagnostics_channel`. */
export const ownerChannels = {
  lockOut: tracing('sigra:owner:lock_out'),
  forget: tracing('sigra:owner:forget'),
};

/** `tracing:sigra:cleanup:run:start|end|asyncStart|asyncEnd|error` of `node:diagnostics_channel`. */
export const cleanupChannels = {
  run: tracing('sigra:cleanup:run'),
};

/** All tracing channels. */
export const tracedChannels: readonly TracingChannel<object, SigraTrace>[] = [
  apiTokenChannels,
  jwtChannels,
  ownerChannels,
  cleanupChannels,
].flatMap((group) => Object.values(group));

/** The message when an API token or an access token has been verified or refused. */
export interface Verification {
  readonly operation: 'api_token.verify' | 'jwt.verify';
  /** Why the credential was refused: usually a SigraError with a `code`. Undefined if it is valid. */
  readonly error: unknown;
}

/** The tracing channels of verifications. */
export const verifyChannels: Readonly<Record<Verification['operation'], TracingChannel<object, SigraTrace>>> = {
  'api_token.verify': apiTokenChannels.verify,
  'jwt.verify': jwtChannels.verify,
};

/** `sigra:credential:verification`: published after each verification. Cheaper than its tracing channel, for those who only count. */
export const credentialVerification = contained(channel('sigra:credential:verification'));

/** What a batched read looks up. */
export type LookupName = 'api_token' | 'refresh_token' | 'owner' | 'user_entity' | 'user_provider' | 'dpop_proof';

/** The message when a batched read has ended: one query that serves the requests of an event-loop turn. */
export interface LookupBatch {
  readonly lookup: LookupName;
  /** The number of different keys that the query reads. */
  readonly keys: number;
  /** From the start of the query to its end, in seconds. */
  readonly duration: number;
  /** Why the query failed, if it did. */
  readonly error: unknown;
}

/** `sigra:lookup:batch`: published after each query. */
export const lookupBatch = contained(channel('sigra:lookup:batch'));

/** The message when the number of requests that wait for a batched read has changed. */
export interface LookupQueue {
  readonly lookup: LookupName;
  /** Distinguishes the queues of one process: an application has one for each of its lookups, some have several. */
  readonly queue: symbol;
  /** The number of requests that wait for the next query. */
  readonly waiting: number;
}

/** `sigra:lookup:queue`: published after each change. */
export const lookupQueue = contained(channel('sigra:lookup:queue'));

/** The message when requests were refused without a query. */
export interface LookupShed {
  readonly lookup: LookupName;
  /** `queue_full`: too many requests wait already; `timeout`: they have waited longer than `lookupTimeout`. */
  readonly reason: 'queue_full' | 'timeout';
  readonly requests: number;
}

/** `sigra:lookup:shed`: published when requests are refused as `unavailable` because the database is too slow for them. */
export const lookupShed = contained(channel('sigra:lookup:shed'));

/** The message when a standby has read for requests; see `replicas`. */
export interface StandbyRead {
  /** The host and the port of the standby. */
  readonly standby: string;
  /**
   * `proven`: its rows count. `unproven`: it was not known to have all changes, so the primary is asked. `failed`: it did not answer, so the
   * primary is asked.
   */
  readonly outcome: 'proven' | 'unproven' | 'failed';
}

/** `sigra:standby:read`: published after each query of a standby. */
export const standbyRead = contained(channel('sigra:standby:read'));

/** The progress of the work that follows a revocation: rows are marked or deleted in batches. */
export interface SweepProgress {
  readonly task: 'mark_tokens' | 'mark_families' | 'forget' | 'forget_and_anonymize' | 'revoke_made' | 'limit_made';
  readonly ownerType: string;
  readonly ownerId: string;
  /** Rows of this batch. */
  readonly rows: number;
  /** Whether this was the last batch. */
  readonly complete: boolean;
}

/** `sigra:owner:sweep`: published after each batch has committed. */
export const ownerSweep = contained(channel('sigra:owner:sweep'));

/** The message when clean-up kept credentials although it found none of their users. */
export interface OwnersKept {
  readonly ownerType: string;
  /**
   * `row_security`: the row-level security of the users' table hides users from the connection; `no_owner_exists`: not one of ten
   * owners or more has a user.
   */
  readonly reason: 'row_security' | 'no_owner_exists';
}

/** `sigra:cleanup:owners_kept`: published when a run of clean-up does not trust that the missing users were deleted. */
export const ownersKept = contained(channel('sigra:cleanup:owners_kept'));

/** The message when a consumed refresh token was presented again and its family was revoked. */
export interface RefreshReuse {
  readonly userId: string;
  readonly familyId: string;
}

/** `sigra:jwt:refresh_reuse_detected`: published after the revocation has committed. */
export const refreshReuseDetected = contained(channel('sigra:jwt:refresh_reuse_detected'));

/** The message when audit rows that no change depends on were lost. */
export interface AuditLogSafeError {
  /**
   * `invalid_event`: JSON or the columns cannot hold the event; `constraint_violation`: a constraint rejected it;
   * `unavailable`: the database did not answer.
   */
  readonly reason: 'invalid_event' | 'constraint_violation' | 'unavailable';
  /** The action of each row that was lost. */
  readonly actions: readonly string[];
  readonly error: unknown;
}

/** `sigra:audit:log_safe_error`: published when audit rows could not be written although their caller succeeded. */
export const auditLogSafeError = contained(channel('sigra:audit:log_safe_error'));
