import type { ExecutionContext } from '@nestjs/common';
import type { Caller } from '../common/caller.js';
import type { Principal } from '../common/principal.js';

/** What the guards before a handler know about one call of it. */
export interface GuardedCall {
  /** The latest credential that was read, by the authenticator of one module. */
  identified?: {
    readonly by: object;
    readonly credential: string;
    readonly principal: Promise<Principal | undefined>;
  };
}

/** The header of an idempotency key. */
export const IDEMPOTENCY_KEY = 'idempotency-key';

type HeaderValue = string | string[] | undefined;

/** When the first guard began, in milliseconds of `performance.now()`. */
const GUARDED_SINCE = Symbol('sigra.guardedSince');

/** The properties of Express's and Fastify's requests that authentication reads, and those that it sets. */
export interface HttpRequest {
  readonly method: string;
  /** Undefined in a request that a host constructs, as for GraphQL subscriptions. */
  readonly url?: string;
  readonly headers: Readonly<Record<string, HeaderValue>>;
  readonly rawHeaders?: readonly string[];
  /** Node's own request, on Fastify. */
  readonly raw?: { readonly rawHeaders?: readonly string[] };
  /** `http` or `https`, as the framework sees it. */
  readonly protocol?: string;
  readonly ip?: string;
  readonly body?: unknown;
  /** The principal, which the guards set. */
  sigra?: Principal | undefined;
  /** The principal's user, which the guards set. */
  user?: unknown;
  [GUARDED_SINCE]?: number;
}

/** The common part of Express's response and Fastify's reply. */
export interface HttpResponse {
  header(name: string, value: string): unknown;
}

/** The first value of a header. */
export function headerOf(request: HttpRequest, name: string): string | undefined {
  const header = request.headers[name];
  const value: unknown = Array.isArray(header) ? header[0] : header;
  // A request that a host constructs can hold any input of a client, such as the parameters of a GraphQL connection.
  return typeof value === 'string' ? value : undefined;
}

/** The HTTP request of a call to a controller, or to a GraphQL resolver whose context has it as `req`. */
export function requestOf(context: ExecutionContext): HttpRequest {
  const type = context.getType<string>();
  // By index: `switchToHttp()` creates three functions for each call.
  const request: unknown =
    type === 'graphql'
      ? context.getArgByIndex<{ req?: unknown } | undefined>(2)?.req
      : type === 'http' && context.getArgByIndex<unknown>(0);
  if (typeof request !== 'object' || request === null) {
    throw new TypeError(`sigra: a "${type}" call carries no HTTP request to authenticate`);
  }
  return request as HttpRequest;
}

const CALL = Symbol('sigra.call');

/**
 * What the guards of one call know. Nest gives all of them the same context, and handles a request, or a message of a
 * subscription, with a context of its own.
 */
export function guardedCall(context: ExecutionContext, request: HttpRequest): GuardedCall {
  const holder = context as { [CALL]?: GuardedCall };
  // A request of another transport can live as long as its connection.
  if (context.getType() === 'http') request[GUARDED_SINCE] ??= performance.now();
  return (holder[CALL] ??= {});
}

/** The HTTP response of a call; for GraphQL only where the context has it as `res`. */
export function responseOf(context: ExecutionContext): HttpResponse | undefined {
  const response: unknown =
    context.getType<string>() === 'graphql'
      ? context.getArgByIndex<{ res?: unknown } | undefined>(2)?.res
      : context.getArgByIndex<unknown>(1);
  return typeof (response as Partial<HttpResponse> | undefined)?.header === 'function'
    ? (response as HttpResponse)
    : undefined;
}

/** The `Caller` of an HTTP request. It reads its properties on demand: most requests never need them. */
export class HttpCaller implements Caller {
  constructor(private readonly request: HttpRequest) {}

  get waited(): number {
    const since = this.request[GUARDED_SINCE];
    return since === undefined ? 0 : performance.now() - since;
  }

  get principal(): Principal | undefined {
    return this.request.sigra;
  }

  get ipAddress(): string | undefined {
    return this.request.ip;
  }

  get userAgent(): string | undefined {
    return headerOf(this.request, 'user-agent');
  }
}
