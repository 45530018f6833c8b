import { type ArgumentsHost, type ExecutionContext, HttpException, type Logger } from '@nestjs/common';
import type { HttpAdapterHost } from '@nestjs/core';
import { AcrossCopies } from '../common/package-copies.js';
import { type Challenge, factsOf, SigraError, withoutStack } from '../common/sigra-error.js';
import { type HttpResponse, responseOf } from './http-exchange.js';

/** The body of a refusal. */
export interface HttpRefusalBody {
  readonly statusCode: number;
  /** A stable code: of RFC 6750 where it has one, else of Sigra. */
  readonly error: string;
  readonly message: string;
  /** With `insufficient_scope`: all scopes that are required. */
  readonly required?: readonly string[];
  /** With `insufficient_scope`: those of `required` that the credential lacks. */
  readonly missing?: readonly string[];
}

/** A refusal as Nest knows it, status and body, with the headers that belong to it. */
@AcrossCopies('httpRefusal')
export class HttpRefusal extends HttpException {
  constructor(
    status: number,
    body: object,
    readonly headers: Readonly<Record<string, string>>,
    cause?: unknown,
  ) {
    super(body, status, { cause });
  }

  /** Guards set the headers before they throw, so that a host's own exception filter cannot lose them. */
  applyHeaders(response: HttpResponse | undefined): this {
    for (const [name, value] of Object.entries(this.headers)) response?.header(name, value);
    return this;
  }
}

/** For a request that can be repeated. The value is in seconds. */
export const RETRY_LATER = { 'Retry-After': '1' };

/** The settings of an application that its challenges name. */
export interface ChallengeSettings {
  /** The `realm` of `WWW-Authenticate` (RFC 6750 section 3). */
  readonly realm: string;
  /** The URL of the metadata of RFC 9728 section 5.1, for answers with 401. @default none */
  readonly resourceMetadata?: string | undefined;
  /** The settings of DPoP (RFC 9449 section 7.1). @default the scheme DPoP is not accepted */
  readonly dpop?: DpopChallenge | undefined;
}

/** The parts of the settings of DPoP that challenges name. */
export interface DpopChallenge {
  /** The signature algorithms of proofs. */
  readonly algorithms: readonly string[];
}

/** The HTTP form of a refusal: RFC 6750 section 3 for a refused request, a plain 400 for refused input. */
export function toHttpRefusal(cause: SigraError, settings: ChallengeSettings): HttpRefusal {
  const body = cause.getResponse() as HttpRefusalBody;
  const { challenge, isRepeatable } = factsOf(cause);
  const headers = {
    ...(isRepeatable && RETRY_LATER),
    ...(challenge && { 'WWW-Authenticate': challengeOf(challenge, body, settings) }),
  };
  // The stack trace that helps is that of the cause.
  return withoutStack(() => new HttpRefusal(cause.getStatus(), body, headers, cause));
}

/**
 * Throws a `SigraError` in its HTTP form, with the headers set on the response, and any other error as it is.
 *
 * @param context of the call; without it the headers wait for the exception filter
 */
export function throwRefusal(error: unknown, settings: ChallengeSettings, context?: ExecutionContext): never {
  if (!(error instanceof SigraError)) throw error;
  throw toHttpRefusal(error, settings).applyHeaders(context && responseOf(context));
}

/** Sends a refusal, for exception filters. Server errors are logged with their cause, which no client sees. */
export function sendRefusal(
  refusal: HttpRefusal,
  host: ArgumentsHost,
  { httpAdapter }: HttpAdapterHost,
  logger: Logger,
): void {
  const status = refusal.getStatus();
  if (status >= 500) logger.error(describeCause(refusal.cause));
  const response: HttpResponse = host.switchToHttp().getResponse();
  // A handler that has begun its answer can only break it off.
  if (httpAdapter.isHeadersSent(response)) {
    httpAdapter.end(response);
    return;
  }
  refusal.applyHeaders(response);
  httpAdapter.reply(response, refusal.getResponse(), status);
}

/**
 * The text for the log: the reason that clients do not see. The stack trace of what is a defect; that of an outage explains
 * nothing.
 */
export function describeCause(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const { message, cause, stack = message } = thrown;
  if (!(thrown instanceof SigraError)) return stack;
  return cause instanceof Error ? `${message} ${cause.message}` : message;
}

function challengeOf(kind: Challenge, body: HttpRefusalBody, settings: ChallengeSettings): string {
  const { statusCode, message, required = [] } = body;
  const error = kind === 'privilege' ? 'insufficient_scope' : body.error;
  const parameters = [`realm="${settings.realm}"`];
  if (kind !== 'realm') parameters.push(`error="${error}"`, `error_description="${quotable(message)}"`);
  if (kind === 'scope') parameters.push(`scope="${required.join(' ')}"`);
  if (statusCode === 401) parameters.push(...resourceParameter(settings));
  return challenges(parameters, settings, kind !== 'proof');
}

/**
 * The challenges for all schemes that are accepted: API tokens, and tokens of other issuers, are bearer credentials in every
 * mode.
 */
function challenges(parameters: readonly string[], { dpop }: ChallengeSettings, isBearer = true): string {
  const all = isBearer ? [`Bearer ${parameters.join(', ')}`] : [];
  if (dpop) all.push(`DPoP ${[...parameters, `algs="${dpop.algorithms.join(' ')}"`].join(', ')}`);
  return all.join(', ');
}

/** The parameter of RFC 9728 section 5.1, if there is one. */
function resourceParameter({ resourceMetadata }: ChallengeSettings): readonly string[] {
  return resourceMetadata === undefined ? [] : [`resource_metadata="${resourceMetadata}"`];
}

/** The challenge of a request without a credential (RFC 6750 section 3.1). */
export function bearerChallenge(settings: ChallengeSettings): string {
  return challenges([`realm="${settings.realm}"`, ...resourceParameter(settings)], settings);
}

/**
 * A text in the characters that `error_description` allows (RFC 6749 section 5.2, RFC 6750 section 3). A message can repeat
 * input of the client, and a character that no header allows would fail the whole answer, and on Fastify the process.
 */
export function quotable(text: string): string {
  return text
    .slice(0, 200)
    .replace(/["\\]/g, "'")
    .replace(/[^ -~]/g, '?');
}
