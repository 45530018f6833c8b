import { HttpException } from '@nestjs/common';
import { type GraphqlExtensions, graphqlExtensions } from './graphql-extensions.js';

/** The codes of `SigraError`. They are part of the public API and change only with a major version. */
export type SigraErrorCode =
  // Input for a new credential.
  | 'name_required'
  | 'name_too_long'
  | 'invalid_name'
  | 'description_too_long'
  | 'invalid_description'
  | 'invalid_metadata'
  | 'scopes_required'
  | 'invalid_scope_format'
  | 'unregistered_scopes'
  | 'expiry_required'
  | 'expiry_in_past'
  | 'invalid_expiry'
  | 'ttl_exceeded'
  | 'invalid_grace'
  | 'too_many_tokens'
  | 'too_many_makers'
  | 'invalid_idempotency_key'
  | 'idempotency_key_reused'
  // The state of a credential.
  | 'invalid_token'
  | 'token_revoked'
  | 'token_expired'
  | 'epoch_mismatch'
  | 'reuse_detected'
  | 'refresh_aborted'
  | 'jwt_disabled'
  // The proof of a key beside a credential.
  | 'invalid_dpop_proof'
  // A request that is not allowed.
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
  // The database did not answer, or not in time: nothing has changed.
  | 'unavailable'
  // The database did not confirm a change, which may have been made.
  | 'outcome_unknown';

/** The scopes that a refused caller needs. */
export interface ScopeRefusal {
  readonly required: readonly string[];
  /** Those of `required` that the caller does not hold. */
  readonly missing: readonly string[];
}

/** Optional parts of a `SigraError`. */
export interface SigraErrorOptions {
  /** For logs only: never part of an HTTP answer. */
  readonly cause?: unknown;
  /** With `insufficient_scope`. */
  readonly refusal?: ScopeRefusal;
}

/** The codes of a credential that is refused itself. Clients get the same answer for all of them. */
const BAD_CREDENTIAL = {
  invalid_token: 401,
  token_revoked: 401,
  token_expired: 401,
  epoch_mismatch: 401,
  reuse_detected: 401,
} satisfies Partial<Record<SigraErrorCode, number>>;

/** The statuses of codes other than 400, which stands for input that is refused. */
const STATUSES: Partial<Record<SigraErrorCode, number>> = {
  ...BAD_CREDENTIAL,
  invalid_dpop_proof: 401,
  unauthorized: 401,
  insufficient_scope: 403,
  cross_origin: 403,
  not_found: 404,
  too_many_tokens: 409,
  too_many_makers: 409,
  idempotency_key_reused: 422,
  unavailable: 503,
  refresh_aborted: 503,
  outcome_unknown: 503,
};

/**
 * The only error class that services and guards reject with.
 *
 * `code` is stable, `message` is safe to show to the caller, and no instance holds a raw token. `cause` is for logs. As an
 * `HttpException` it has its status and its body in every exception filter of the application.
 */
export class SigraError extends HttpException {
  override readonly name = 'SigraError';
  /** With `insufficient_scope`: the required scopes, and the missing ones among them. */
  readonly refusal?: ScopeRefusal;

  constructor(
    readonly code: SigraErrorCode,
    message: string,
    { cause, refusal }: SigraErrorOptions = {},
  ) {
    const status = STATUSES[code] ?? 400;
    super({ statusCode: status, ...publicForm(code, message), ...refusal }, status);
    this.message = message;
    // Not enumerable, so that the error can be sent as JSON without it.
    if (cause !== undefined) Object.defineProperty(this, 'cause', { value: cause, enumerable: false });
    if (refusal) this.refusal = refusal;
  }

  /** For GraphQL, where a filter of the application passes the error on. */
  get extensions(): GraphqlExtensions {
    return graphqlExtensions(this.getStatus(), this.getResponse());
  }
}

/** One description for unknown, revoked and expired: the answer must not reveal which tokens exist. */
function publicForm(code: SigraErrorCode, message: string): { readonly error: string; readonly message: string } {
  if (!(code in BAD_CREDENTIAL)) return { error: code, message };
  return { error: 'invalid_token', message: 'The access token is invalid, revoked or expired.' };
}

/** Whether the credential itself is refused. */
export function isBadCredential({ code }: SigraError): boolean {
  return code in BAD_CREDENTIAL;
}

/** Whether the database could not decide a request now, which says nothing about the credential. */
export function isOutage({ code }: SigraError): boolean {
  return STATUSES[code] === 503;
}

/** For `catch`: undefined for a refusal, which decides that a token is inactive. An outage decides nothing and is rethrown. */
export function unlessOutage(error: unknown): undefined {
  if (error instanceof SigraError && !isOutage(error)) return undefined;
  throw error;
}

/**
 * Runs a function whose errors get no stack trace, which is most of the cost of an error. For refusals, which any client can
 * provoke and whose stack trace explains nothing.
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

/** Makes a `SigraError` without a stack trace, for a refusal, which is not a defect of the code. */
export function refuse(code: SigraErrorCode, message: string, options?: SigraErrorOptions): SigraError {
  return withoutStack(() => new SigraError(code, message, options));
}
