import type { HttpRequest } from './http-exchange.js';
import { isObject } from '../common/is-object.js';
import { headersIn, requestOfHandshake } from './socket-handshake.js';

/** The context of an operation, as the drivers of `@nestjs/graphql` make it. */
interface OperationContext {
  /** Apollo and Mercurius: the HTTP request. Apollo over graphql-ws: the connection. */
  readonly req?: unknown;
  /** Mercurius over a WebSocket: the request of the handshake. */
  readonly request?: unknown;
  /** Mercurius over a WebSocket: the parameters of the connection. */
  readonly _connectionInit?: unknown;
}

/** A connection of graphql-ws. */
interface Connection {
  readonly connectionParams?: unknown;
  readonly extra?: { readonly request?: unknown };
}

/**
 * The request of a GraphQL operation. For one over a WebSocket, its headers are those of the handshake, with the credential
 * of the parameters of the connection, or of their `headers`.
 *
 * @param keyHeaders further headers of credentials
 * @throws SigraError `invalid_request` for different credentials in both
 */
export function requestOfOperation(context: unknown, keyHeaders: readonly string[] = []): HttpRequest | undefined {
  const { req, request, _connectionInit } = (context ?? {}) as OperationContext;
  if (isObject(req)) {
    const { extra, connectionParams } = req as Connection;
    return isObject(extra?.request) && !('headers' in req)
      ? ofConnection(extra.request, connectionParams, keyHeaders)
      : (req as unknown as HttpRequest);
  }
  return isObject(request) ? ofConnection(request, _connectionInit, keyHeaders) : undefined;
}

function ofConnection(handshake: object, parameters: unknown, keyHeaders: readonly string[]): HttpRequest {
  const { headers } = (parameters ?? {}) as { readonly headers?: unknown };
  const sent = headersIn(['authorization', ...keyHeaders], headers, parameters);
  return requestOfHandshake(handshake, sentHeaders(handshake), sent);
}

/**
 * The headers of a handshake as they were sent: Mercurius adds the parameters of the connection to its object of headers,
 * and a page can choose these freely, but not the origin that its browser sends.
 */
function sentHeaders(handshake: object): HttpRequest['headers'] {
  const { headers, rawHeaders, raw } = handshake as HttpRequest;
  const sent = rawHeaders ?? raw?.rawHeaders;
  if (!sent) return headers;
  const names = new Set(sent.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase()));
  return Object.fromEntries(Object.entries(headers).filter(([name]) => names.has(name)));
}
