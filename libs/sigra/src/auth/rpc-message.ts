import type { HttpRequest } from './http-exchange.js';
import { AUTHORIZATION } from '../config/credentials.section.js';
import { displayed } from './authorization-header.js';
import { withHeaders } from './socket-handshake.js';

/** The contexts of Nest's transports that have metadata. Each has one of these methods. */
interface RpcContext {
  /** gRPC: the `Metadata` itself. */
  get?(name: string): unknown;
  /** TCP. */
  getMetadata?(): unknown;
  /** NATS. */
  getHeaders?(): unknown;
  /** Kafka and RabbitMQ. */
  getMessage?(): { readonly headers?: unknown; readonly properties?: { readonly headers?: unknown } } | undefined;
  /** MQTT 5. */
  getPacket?(): { readonly properties?: { readonly userProperties?: unknown } } | undefined;
}

const BEARER = /^Bearer /i;

/**
 * The request of a message: its only header is the credential, from the metadata of the transport, or else from the property
 * `authorization` of the payload, which it removes: handlers and validation do not meet it.
 *
 * @param keyHeaders further headers of credentials, in the metadata
 * @throws SigraError `invalid_request` for different credentials in both
 */
export function requestOfRpc(payload: unknown, context: unknown, keyHeaders: readonly string[] = []): HttpRequest {
  const metadata = metadataOf(context ?? {});
  const sent = [AUTHORIZATION, ...keyHeaders].flatMap((name) => valuesIn(metadata, name).map((value) => [name, value]));
  // The first of several: the raw list has all of them.
  const headers = Object.fromEntries(sent.toReversed()) as Readonly<Record<string, string>>;
  const authorization = takeFrom(payload);
  const own: Record<string, string> = authorization === undefined ? {} : { authorization };
  return { method: 'POST', headers: withHeaders(headers, own), rawHeaders: sent.flat() };
}

function takeFrom(payload: unknown): string | undefined {
  if (typeof payload !== 'object' || payload === null || !Object.hasOwn(payload, AUTHORIZATION)) return undefined;
  const value: unknown = (payload as Readonly<Record<string, unknown>>)[AUTHORIZATION];
  // Another string can be a property of the application.
  if (typeof value !== 'string' || !BEARER.test(value)) return undefined;
  Reflect.deleteProperty(payload, AUTHORIZATION);
  return value;
}

function metadataOf(context: RpcContext): unknown {
  if (typeof context.getMetadata === 'function') return context.getMetadata();
  if (typeof context.getHeaders === 'function') return context.getHeaders();
  if (typeof context.getPacket === 'function') return context.getPacket()?.properties?.userProperties;
  if (typeof context.getMessage === 'function') {
    const message = context.getMessage();
    return message?.headers ?? message?.properties?.headers;
  }
  return context;
}

/** The values of a header in metadata: a plain object, or one with `get()`, such as those of gRPC and NATS. */
function valuesIn(metadata: unknown, header: string): readonly string[] {
  if (typeof metadata !== 'object' || metadata === null) return [];
  const named = metadata as RpcContext;
  if (typeof named.get === 'function') {
    const values = toStrings(named.get(header));
    return values.length > 0 ? values : toStrings(named.get(displayed(header)));
  }
  return Object.entries(metadata).flatMap(([name, value]) => (name.toLowerCase() === header ? toStrings(value) : []));
}

/** Kafka and gRPC can have buffers. */
function toStrings(value: unknown): readonly string[] {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values
    .map((each) => (Buffer.isBuffer(each) ? each.toString('utf8') : each))
    .filter((each): each is string => typeof each === 'string' && each !== '');
}
