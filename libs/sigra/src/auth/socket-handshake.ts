import type { IncomingMessage } from 'node:http';
import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { refuse } from '../common/sigra-error.js';
import type { HttpRequest } from './http-exchange.js';

/** A client of socket.io, or of `ws`. */
interface SocketClient {
  /** The request of the handshake: of socket.io, and of `ws` where the application has set it. */
  readonly request?: unknown;
  /** Of socket.io: `auth` is what the client has sent when it connected. */
  readonly handshake?: { readonly auth?: { readonly token?: unknown } };
  /** Of `ws`. */
  readonly _socket?: unknown;
}

/** The request of a message: its headers are those of the handshake. Undefined when the handshake is not known. */
export function requestOfSocket(client: unknown): HttpRequest | undefined {
  const { request, handshake, _socket: socket } = (client ?? {}) as SocketClient;
  const upgrade = request ?? (isObject(socket) ? upgrades.get(socket) : undefined);
  if (!isUpgrade(upgrade)) return undefined;
  const token = handshake?.auth?.token ?? undefined;
  return requestOfHandshake(upgrade, upgrade.headers, token === undefined ? undefined : authorizationOf(token));
}

/**
 * A request for one message. It inherits what middleware has added to the handshake, such as a session, and has a principal of its own.
 *
 * @param authorization that the client has sent beside the headers of the handshake
 * @throws SigraError `invalid_request` for another credential in the header
 */
export function requestOfHandshake(
  upgrade: object,
  headers: HttpRequest['headers'],
  authorization?: string,
): HttpRequest {
  const { ip, protocol, user, socket } = upgrade as HttpRequest & Partial<Pick<IncomingMessage, 'socket'>>;
  const isSecure = (socket as { readonly encrypted?: boolean } | undefined)?.encrypted === true;
  return Object.defineProperties(Object.create(upgrade) as HttpRequest, {
    headers: { value: withAuthorization(headers, authorization) },
    protocol: { value: protocol ?? (isSecure ? 'https' : 'http') },
    ip: { value: ip ?? socket?.remoteAddress },
    sigra: { value: undefined, writable: true },
    user: { value: user, writable: true },
  });
}

/**
 * Headers with the credential that a client has sent elsewhere.
 *
 * @throws SigraError `invalid_request` for another credential in the headers
 */
export function withAuthorization(
  headers: HttpRequest['headers'],
  authorization: string | undefined,
): HttpRequest['headers'] {
  if (authorization === undefined || headers.authorization === authorization) return headers;
  if (headers.authorization !== undefined) {
    throw refuse('invalid_request', 'The request has two credentials.');
  }
  return { ...headers, authorization };
}

function authorizationOf(token: unknown): string {
  if (typeof token === 'string') return `Bearer ${token}`;
  throw refuse('invalid_request', 'The token of the handshake is not a string.');
}

function isUpgrade(value: unknown): value is { readonly headers: HttpRequest['headers'] } {
  return isObject(value) && isObject((value as { readonly headers?: unknown }).headers);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
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
