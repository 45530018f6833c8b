/**
 * The stable vocabulary of everything that Sigra can refuse. Codes are part of the public API: they change only with a
 * major version.
 */
export type SigraErrorCode =
  // What a caller asked to issue.
  | 'name_required'
  | 'name_too_long'
  | 'invalid_name'
  | 'scopes_required'
  | 'invalid_scope_format'
  | 'unregistered_scopes'
  | 'expiry_required'
  | 'expiry_in_past'
  | 'invalid_expiry'
  | 'ttl_exceeded'
  | 'invalid_grace'
  // What a credential turned out to be.
  | 'invalid_token'
  | 'token_revoked'
  | 'token_expired'
  | 'epoch_mismatch'
  | 'reuse_detected'
  | 'refresh_aborted'
  | 'jwt_disabled'
  // What a request lacks, or may not do.
  | 'unauthorized'
  | 'invalid_request'
  | 'insufficient_scope'
  | 'cross_origin'
  // Lookups and pages.
  | 'not_found'
  | 'invalid_cursor'
  | 'invalid_limit'
  // Audit.
  | 'invalid_event'
  | 'reserved_action'
  // The database did not answer, or not in time.
  | 'unavailable';

/** The scopes that a refused caller would have needed. */
export interface ScopeRefusal {
  readonly required: readonly string[];
  /** Those of `required` that the caller does not hold. */
  readonly missing: readonly string[];
}

/** What else a `SigraError` can carry. */
export interface SigraErrorOptions {
  /** For operators only: never part of an HTTP answer. */
  readonly cause?: unknown;
  /** With `insufficient_scope`. */
  readonly refusal?: ScopeRefusal;
}

/**
 * The one error class that services and guards reject with.
 *
 * `code` is stable, `message` is safe to show to the caller, and no instance ever holds a raw token. The `cause`, where
 * there is one, is for logs.
 */
export class SigraError extends Error {
  override readonly name = 'SigraError';
  /** With `insufficient_scope`: what was required and what of it is missing. */
  readonly refusal?: ScopeRefusal;

  constructor(
    readonly code: SigraErrorCode,
    message: string,
    options: SigraErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    if (options.refusal) this.refusal = options.refusal;
  }
}

/**
 * Runs what makes or throws an error without a stack trace, which is most of what an error costs. For refusals that
 * anybody can provoke as often as they like, and that say nothing about the code that reports them.
 */
export function withoutStack<T>(run: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return run();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** A refusal of the caller, not a mistake of the code: a SigraError without a stack trace. */
export function refuse(code: SigraErrorCode, message: string, options?: SigraErrorOptions): SigraError {
  return withoutStack(() => new SigraError(code, message, options));
}
