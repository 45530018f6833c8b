import type { ExecutionContext } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import type { RequestOrigin } from '../tokens/verify-failure.recorder.js';

type HeaderValue = string | string[] | undefined;

/** What Express's and Fastify's requests have in common, as far as authentication is concerned. */
export interface HttpRequest {
  readonly method: string;
  /** Missing where a host makes a request up, as it does for GraphQL subscriptions. */
  readonly url?: string;
  readonly headers: Readonly<Record<string, HeaderValue>>;
  readonly rawHeaders?: readonly string[];
  /** Node's own request, on Fastify. */
  readonly raw?: { readonly rawHeaders?: readonly string[] };
  /** `http` or `https`, as far as the framework knows. */
  readonly protocol?: string;
  readonly ip?: string;
  readonly body?: unknown;
  /** Where the guards leave the principal and its user. */
  sigra?: Principal | undefined;
  user?: unknown;
}

/** What Express's response and Fastify's reply have in common. */
export interface HttpResponse {
  header(name: string, value: string): unknown;
}

/** The first value of a header. */
export function headerOf(request: HttpRequest, name: string): string | undefined {
  const header = request.headers[name];
  const value: unknown = Array.isArray(header) ? header[0] : header;
  // A made-up request may carry whatever a client sent, such as the parameters of a GraphQL connection.
  return typeof value === 'string' ? value : undefined;
}

/** The HTTP request behind a call: of a controller, or of a GraphQL resolver whose context carries it as `req`. */
export function requestOf(context: ExecutionContext): HttpRequest {
  const type = context.getType<string>();
  // By index: `switchToHttp()` makes three functions for each call.
  const request: unknown =
    type === 'graphql'
      ? context.getArgByIndex<{ req?: unknown } | undefined>(2)?.req
      : type === 'http' && context.getArgByIndex<unknown>(0);
  if (typeof request !== 'object' || request === null) {
    throw new TypeError(`sigra: a "${type}" call carries no HTTP request to authenticate`);
  }
  return request as HttpRequest;
}

/** The HTTP response of a call; of a GraphQL one only where its context has it as `res`. */
export function responseOf(context: ExecutionContext): HttpResponse | undefined {
  const response: unknown =
    context.getType<string>() === 'graphql'
      ? context.getArgByIndex<{ res?: unknown } | undefined>(2)?.res
      : context.getArgByIndex<unknown>(1);
  return typeof (response as Partial<HttpResponse> | undefined)?.header === 'function'
    ? (response as HttpResponse)
    : undefined;
}

/** Where a request came from, for the audit trail and `last_used_ip`. Most requests are never asked. */
export class HttpOrigin implements RequestOrigin {
  constructor(private readonly request: HttpRequest) {}

  get ipAddress(): string | undefined {
    return this.request.ip;
  }

  get userAgent(): string | undefined {
    return headerOf(this.request, 'user-agent');
  }
}
