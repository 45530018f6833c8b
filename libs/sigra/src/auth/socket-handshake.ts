import type { IncomingMessage } from 'node:http';
import { isObject } from '../common/is-object.js';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { refuse } from '../common/sigra-error.js';
import { twoCredentials } from './authorization-header.js';
import type { HttpRequest } from './http-exchange.js';

/** A client of socket.io, or of `ws`. */
interface SocketClient {
  /** The request of the handshake: of socket.io, and of `ws` where the application has set it. */
  readonly request?: unknown;
  /** Of socket.io: `auth` is what the client has sent when it connected. */
  readonly handshake?: { readonly auth?: { readonly token?: unknown } & Readonly<Record<string, unknown>> };
  /** Of `ws`. */
  readonly _socket?: unknown;
}

/**
 * The request of a message: its headers are those of the handshake. Undefined when the handshake is not known.
 *
 * @param keyHeaders further headers of credentials, which `auth` can have, too
 */
export function requestOfSocket(client: unknown, keyHeaders: readonly string[] = []): HttpRequest | undefined {
  const { request, handshake, _socket: socket } = (client ?? {}) as SocketClient;
  const upgrade = request ?? (isObject(socket) ? upgrades.get(socket) : undefined);
  if (!isUpgrade(upgrade)) return undefined;
  const token = handshake?.auth?.token ?? undefined;
  return requestOfHandshake(upgrade, upgrade.headers, {
    ...headersIn(keyHeaders, handshake?.auth),
    ...(token !== undefined && { authorization: authorizationOf(token) }),
  });
}

/**
 * A request for one message. It inherits what middleware has added to the handshake, such as a session, and has a principal
 * of its own.
 *
 * @param sent headers of credentials that the client has sent beside those of the handshake
 * @throws SigraError `invalid_request` for another credential in the same header
 */
export function requestOfHandshake(
  upgrade: object,
  headers: HttpRequest['headers'],
  sent: Readonly<Record<string, string>> = {},
): HttpRequest {
  const { ip, protocol, user, socket } = upgrade as HttpRequest & Partial<Pick<IncomingMessage, 'socket'>>;
  const isSecure = (socket as { readonly encrypted?: boolean } | undefined)?.encrypted === true;
  return Object.defineProperties(Object.create(upgrade) as HttpRequest, {
    headers: { value: withHeaders(headers, sent) },
    protocol: { value: protocol ?? (isSecure ? 'https' : 'http') },
    ip: { value: ip ?? socket?.remoteAddress },
    // Not that of the handshake. Otherwise its absence says that no guard has run.
    ...('sigra' in upgrade && { sigra: { value: undefined, writable: true } }),
    user: { value: user, writable: true },
  });
}

/**
 * Headers with credentials that a client has sent elsewhere.
 *
 * @param sent by lower-case names
 * @throws SigraError `invalid_request` for another credential in the same header
 */
export function withHeaders(
  headers: HttpRequest['headers'],
  sent: Readonly<Record<string, string>>,
): HttpRequest['headers'] {
  const added = Object.entries(sent).filter(([name, value]) => headers[name] !== value);
  if (added.length === 0) return headers;
  if (added.some(([name]) => headers[name] !== undefined)) throw twoCredentials();
  return { ...headers, ...Object.fromEntries(added) };
}

/**
 * The headers that a client has sent as properties of objects, in any case.
 *
 * @throws SigraError `invalid_request` for different credentials in one header
 */
export function headersIn(names: readonly string[], ...places: readonly unknown[]): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const [key, value] of places.filter(isObject).flatMap((place) => Object.entries<unknown>(place as never))) {
    const name = key.toLowerCase();
    if (!names.includes(name) || typeof value !== 'string') continue;
    if ((found[name] ??= value) !== value) throw twoCredentials();
  }
  return found;
}

function authorizationOf(token: unknown): string {
  if (typeof token === 'string') return `Bearer ${token}`;
  throw refuse('invalid_request', 'The token of the handshake is not a string.');
}

function isUpgrade(value: unknown): value is { readonly headers: HttpRequest['headers'] } {
  return isObject(value) && isObject((value as { readonly headers?: unknown }).headers);
}

/** The requests that connections began with, by their sockets. The clients of `ws` do not keep them. */
const upgrades = new WeakMap<object, IncomingMessage>();

/** Keeps the handshakes of WebSockets that share the HTTP server of the application. */
@Injectable()
export class SocketHandshakes implements OnApplicationBootstrap {
  constructor(private readonly adapterHost: HttpAdapterHost) {}

  onApplicationBootstrap(): void {
    const adapter = this.adapterHost.httpAdapter as HttpAdapterHost['httpAdapter'] | undefined;
    const server = adapter?.getHttpServer() as NodeJS.EventEmitter | undefined;
    // Node answers an upgrade as an ordinary request where nothing listens for it.
    if (typeof server?.listenerCount !== 'function' || server.listenerCount('upgrade') === 0) return;
    server.prependListener('upgrade', (request: IncomingMessage, socket: object) => upgrades.set(socket, request));
  }
}
