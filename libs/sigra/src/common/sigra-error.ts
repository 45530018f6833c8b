import { HttpException } from '@nestjs/common';
import { type GraphqlExtensions, graphqlExtensions } from './graphql-extensions.js';
import { AcrossCopies } from './package-copies.js';

/**
 * `WWW-Authenticate` of RFC 6750 section 3: with the realm alone, with the error too, or with the error and the scopes. Of a
 * privilege that no scope gives, with the error for scopes, which is the only one for too few privileges (section 3.1). Of a
 * proof, for the scheme DPoP alone (RFC 9449 section 7.1).
 */
export type Challenge = 'realm' | 'error' | 'scope' | 'privilege' | 'proof';

/** The facts of an error code, from which all its answers follow. */
interface CodeFacts {
  readonly status: number;
  /** @default no header `WWW-Authenticate` */
  readonly challenge?: Challenge;
  /** The code at OAuth endpoints (RFC 6749 section 5.2, RFC 9449 section 5). @default 'invalid_request' */
  readonly oauth?:
    'invalid_grant' | 'invalid_scope' | 'invalid_dpop_proof' | 'temporarily_unavailable' | 'outcome_unknown';
  /** Whether nothing has changed, so that the client can send the same request again. @default false */
  readonly isRepeatable?: boolean;
}

const INPUT: CodeFacts = { status: 400 };
const SCOPES: CodeFacts = { status: 400, oauth: 'invalid_scope' };
/** A credential that is refused itself. Clients get the same answer for all of these codes. */
const BAD_CREDENTIAL: CodeFacts = { status: 401, challenge: 'error', oauth: 'invalid_grant' };
/** The database did not answer, or not in time: nothing has changed. */
const OUTAGE: CodeFacts = { status: 503, oauth: 'temporarily_unavailable', isRepeatable: true };

/** The facts of all codes. */
export const ERROR_CODES = {
  // Input for a new credential.
  name_required: INPUT,
  name_too_long: INPUT,
  invalid_name: INPUT,
  description_too_long: INPUT,
  invalid_description: INPUT,
  invalid_metadata: INPUT,
  invalid_allowed_ips: INPUT,
  invalid_resources: INPUT,
  kind_required: INPUT,
  invalid_kind: INPUT,
  scopes_required: SCOPES,
  invalid_scope_format: SCOPES,
  unregistered_scopes: SCOPES,
  expiry_required: INPUT,
  expiry_in_past: INPUT,
  invalid_expiry: INPUT,
  ttl_exceeded: INPUT,
  invalid_grace: INPUT,
  too_many_tokens: { status: 409 },
  too_many_makers: { status: 409 },
  invalid_import: INPUT,
  invalid_idempotency_key: INPUT,
  idempotency_key_reused: { status: 422 },
  // The state of a credential.
  invalid_token: BAD_CREDENTIAL,
  token_revoked: BAD_CREDENTIAL,
  token_expired: BAD_CREDENTIAL,
  epoch_mismatch: BAD_CREDENTIAL,
  reuse_detected: BAD_CREDENTIAL,
  refresh_aborted: OUTAGE,
  jwt_disabled: INPUT,
  // The proof of a key beside a credential.
  invalid_dpop_proof: { status: 401, challenge: 'proof', oauth: 'invalid_dpop_proof' },
  // A request that is not allowed. RFC 6750 section 3.1: one without a credential gets no error code in the header.
  unauthorized: { status: 401, challenge: 'realm' },
  invalid_request: { status: 400, challenge: 'error' },
  body_too_large: { status: 413 },
  unsupported_encoding: { status: 415 },
  insufficient_scope: { status: 403, challenge: 'scope', oauth: 'invalid_scope' },
  not_administrator: { status: 403 },
  step_up_required: { status: 403 },
  kind_not_allowed: { status: 403, challenge: 'privilege' },
  owner_not_allowed: { status: 403, challenge: 'privilege' },
  resource_not_allowed: { status: 403, challenge: 'privilege' },
  invalid_signature: { status: 403 },
  cross_origin: { status: 403 },
  // Lookups and pages.
  not_found: { status: 404 },
  invalid_cursor: INPUT,
  invalid_limit: INPUT,
  invalid_filter: INPUT,
  digest_mismatch: { status: 409 },
  // Audit.
  invalid_event: INPUT,
  reserved_action: INPUT,
  unavailable: OUTAGE,
  // The database did not confirm a change, which may have been made: the client has to check first what has happened.
  outcome_unknown: { status: 503, oauth: 'outcome_unknown' },
} satisfies Record<string, CodeFacts>;

/** The codes of `SigraError`. They are part of the public API and change only with a major version. */
export type SigraErrorCode = keyof typeof ERROR_CODES;

/** The scopes that a refused caller needs. */
export interface ScopeRefusal {
  readonly required: readonly string[];
  /** Those of `required` that the caller does not hold. */
  readonly missing: readonly string[];
}

/** Why one token of an import cannot be imported. */
export interface ImportProblem {
  /** Of the token, in the array of the call. */
  readonly index: number;
  readonly code: SigraErrorCode;
  readonly message: string;
}

/** Optional parts of a `SigraError`. */
export interface SigraErrorOptions {
  /** For logs only: never part of an HTTP answer. */
  readonly cause?: unknown;
  /** With `insufficient_scope`. */
  readonly refusal?: ScopeRefusal;
  /** With `invalid_import`. Not a part of HTTP answers. */
  readonly problems?: readonly ImportProblem[];
}

/**
 * The only error class that services and guards reject with.
 *
 * `code` is stable, `message` is safe to show to the caller, and no instance holds a raw token. `cause` is for logs. As an
 * `HttpException` it has its status and its body in every exception filter of the application.
 */
@AcrossCopies('error')
export class SigraError extends HttpException {
  override readonly name = 'SigraError';
  /** With `insufficient_scope`: the required scopes, and the missing ones among them. */
  readonly refusal?: ScopeRefusal;
  /** With `invalid_import`: all problems of the tokens, by index. */
  readonly problems?: readonly ImportProblem[];

  constructor(
    readonly code: SigraErrorCode,
    message: string,
    { cause, refusal, problems }: SigraErrorOptions = {},
  ) {
    const { status } = ERROR_CODES[code];
    super({ statusCode: status, ...publicForm(code, message), ...refusal }, status);
    this.message = message;
    // Not enumerable, so that the error can be sent as JSON without it.
    if (cause !== undefined) Object.defineProperty(this, 'cause', { value: cause, enumerable: false });
    if (refusal) this.refusal = refusal;
    if (problems) this.problems = problems;
  }

  /** For GraphQL, where a filter of the application passes the error on. */
  get extensions(): GraphqlExtensions {
    return graphqlExtensions(this.getStatus(), this.getResponse());
  }
}

/** One description for unknown, revoked and expired: the answer must not reveal which tokens exist. */
function publicForm(code: SigraErrorCode, message: string): { readonly error: string; readonly message: string } {
  if (ERROR_CODES[code] !== BAD_CREDENTIAL) return { error: code, message };
  return { error: 'invalid_token', message: 'The access token is invalid, revoked or expired.' };
}

/** The facts of an error's code. */
export function factsOf({ code }: SigraError): CodeFacts {
  return ERROR_CODES[code];
}

/** Whether the credential itself is refused. */
export function isBadCredential(error: SigraError): boolean {
  return factsOf(error) === BAD_CREDENTIAL;
}

/** Whether the database could not decide a request now, which says nothing about the credential. */
export function isOutage(error: SigraError): boolean {
  return factsOf(error).status === 503;
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

/** The reason of PostgreSQL or the driver, where there is one, for logs. */
export function reasonOf(error: unknown): string {
  const source = error instanceof SigraError && error.cause instanceof Error ? error.cause : error;
  // Of a name with several addresses. It has no message of its own.
  if (source instanceof AggregateError) return source.errors.map(reasonOf).join(', ');
  return source instanceof Error ? source.message : String(source);
}
