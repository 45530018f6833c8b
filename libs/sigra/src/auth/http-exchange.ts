import type { ExecutionContext } from '@nestjs/common';
import type { Caller } from '../common/caller.js';
import type { AnyPrincipal } from '../common/principal.js';
import type { CheckedCredential } from './host-credential.js';
import type { ReadAhead } from './read-ahead.js';

/**
 * How a call arrived, if not as an HTTP request: as a message of a WebSocket, whose request is its handshake, or as a message of
 * a microservice, which has no session.
 */
export type Carrier = 'socket' | 'microservice';

/** What the guards before a handler know about one call of it, each part by the authenticator of one module. */
export interface GuardedCall {
  /** Undefined for an HTTP request. */
  carrier?: Carrier | undefined;
  /** The latest credential that was read. */
  identified?: {
    readonly by: object;
    readonly credential: string;
    readonly principal: Promise<AnyPrincipal | undefined>;
  };
  /** The id of the user in the session, without which a guard asks again. */
  session?: { readonly by: object; readonly userId: string };
  /** The answer of the host: guards that follow must not ask about what the guards before them have added to the request. */
  host?: { readonly by: object; readonly credential: Promise<CheckedCredential | undefined> };
  /** For the next guard only. */
  ahead?: ReadAhead | undefined;
}

/** The header of an idempotency key. */
export const IDEMPOTENCY_KEY = 'idempotency-key';

type HeaderValue = string | string[] | undefined;

/** When the first guard began, in milliseconds of `performance.now()`. */
const GUARDED_SINCE = Symbol.for('nestjs-sigra:guardedSince');

/**
 * The properties of Express's and Fastify's requests that authentication reads, and those that it sets. In other contexts, an
 * object with the same properties stands for one call.
 */
export interface HttpRequest {
  readonly method: string;
  /** The method that was sent, where Express's middleware overrides it. */
  readonly originalMethod?: string;
  /** Undefined in a request that a host constructs. */
  readonly url?: string;
  /** The URL before Express removed the path of a router. */
  readonly originalUrl?: string;
  readonly headers: Readonly<Record<string, HeaderValue>>;
  readonly rawHeaders?: readonly string[];
  /** Node's own request, on Fastify. */
  readonly raw?: { readonly method?: string; readonly rawHeaders?: readonly string[] };
  /** `http` or `https`, as the framework sees it. */
  readonly protocol?: string;
  readonly ip?: string;
  readonly body?: unknown;
  /** The principal, which the guards set. */
  sigra?: AnyPrincipal | undefined;
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

/** The time that a request has waited counts from now on, if it does not count yet. For routes without a guard. */
export function countWait(request: HttpRequest): void {
  request[GUARDED_SINCE] ??= performance.now();
}

/** The HTTP response of a call of a controller or of a GraphQL resolver: a subscription has none. */
export function responseOf(context: ExecutionContext): HttpResponse | undefined {
  const response: unknown =
    context.getType<string>() === 'graphql'
      ? responseIn(context.getArgByIndex<unknown>(2))
      : context.getArgByIndex<unknown>(1);
  return typeof (response as Partial<HttpResponse> | undefined)?.header === 'function'
    ? (response as HttpResponse)
    : undefined;
}

/** In the context of a GraphQL driver: with Mercurius as `reply`, and with Apollo on Express only through its request. */
function responseIn(context: unknown): unknown {
  const { res, reply, req } = (context ?? {}) as Partial<Record<'res' | 'reply' | 'req', { readonly res?: unknown }>>;
  return res ?? reply ?? req?.res;
}

/** The `Caller` of an HTTP request whose principal does not count. */
export function callerOf(request: HttpRequest): Caller {
  const { ipAddress, userAgent, waitingSince } = new HttpCaller(request);
  return { ipAddress, userAgent, waitingSince };
}

/** The `Caller` of an HTTP request. It reads its properties on demand: most requests never need them. */
export class HttpCaller implements Caller {
  constructor(private readonly request: HttpRequest) {}

  get waitingSince(): number | undefined {
    return this.request[GUARDED_SINCE];
  }

  get principal(): AnyPrincipal | undefined {
    return this.request.sigra;
  }

  get ipAddress(): string | undefined {
    return this.request.ip;
  }

  get userAgent(): string | undefined {
    return headerOf(this.request, 'user-agent');
  }
}
