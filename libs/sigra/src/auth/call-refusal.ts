import { type ArgumentsHost, type ExecutionContext, Logger } from '@nestjs/common';
import { graphqlExtensions } from '../common/graphql-extensions.js';
import { SigraError } from '../common/sigra-error.js';
import { responseOf } from './http-exchange.js';
import {
  type ChallengeSettings,
  describeCause,
  type HttpRefusal,
  throwRefusal,
  toHttpRefusal,
} from './http-refusal.js';

/** Codes of gRPC, by HTTP status: INVALID_ARGUMENT, UNAUTHENTICATED and so on. */
const GRPC_CODES: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  403: 7,
  404: 5,
  409: 10,
  422: 9,
  429: 8,
  503: 14,
};

const logger = new Logger('SigraAuthGuard');

/**
 * Refuses a call in the form of its context: over HTTP and in GraphQL with an `HttpException`, on a WebSocket with a
 * `WsException`, and in a microservice with an `RpcException`. Over HTTP it throws at once.
 *
 * @throws the error as it is, if it is not a `SigraError`
 */
export function refuseCall(error: unknown, settings: ChallengeSettings, context: ExecutionContext): Promise<never> {
  const type = context.getType<string>();
  if (type === 'http' || !(error instanceof SigraError)) throwRefusal(error, settings, context);
  return refuseWith(toHttpRefusal(error, settings), context);
}

/** Refuses a call as `refuseCall` does, with the headers of the refusal where the context has headers. */
export function refuseWith(refusal: HttpRefusal, context: ExecutionContext): Promise<never> {
  switch (context.getType<string>()) {
    case 'http':
      throw refusal.applyHeaders(responseOf(context));
    case 'graphql':
      throw forGraphql(refusal.applyHeaders(responseOf(context)));
    default:
      return refuseMessage(refusal, context);
  }
}

/** Gives a refusal the `extensions` that a `SigraError` has. */
export function forGraphql(refusal: HttpRefusal): HttpRefusal {
  return Object.assign(refusal, { extensions: graphqlExtensions(refusal.getStatus(), refusal.getResponse()) });
}

const REFUSAL = Symbol.for('nestjs-sigra:refusal');

/** A `WsException` or an `RpcException` that refuses a call, for the `@Catch()` of a filter. Nest compares with `instanceof`. */
export class MessageRefusal {
  declare readonly [REFUSAL]: HttpRefusal;

  static [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Error && REFUSAL in value;
  }
}

export function refusalOf(exception: MessageRefusal): HttpRefusal {
  return exception[REFUSAL];
}

async function refuseMessage(refusal: HttpRefusal, host: ArgumentsHost): Promise<never> {
  // Filters of Nest do not log an exception that they know.
  logOutage(refusal);
  const exception = await exceptionOf(refusal, host);
  throw exception ? Object.assign(exception, { [REFUSAL]: refusal }) : refusal;
}

/** Logs the cause of a server error, which no client sees. */
export function logOutage(refusal: HttpRefusal): void {
  if (refusal.getStatus() >= 500) logger.error(describeCause(refusal.cause));
}

/**
 * Nest knows the exceptions of a context by their class. A package is loaded when its context needs it: an application without
 * gateways or message handlers does not have it.
 */
async function exceptionOf(refusal: HttpRefusal, host: ArgumentsHost): Promise<Error | undefined> {
  switch (host.getType<string>()) {
    case 'ws': {
      const nest = await import('@nestjs/websockets').catch(() => undefined);
      return nest && new nest.WsException(refusal.getResponse());
    }
    case 'rpc': {
      const nest = await import('@nestjs/microservices').catch(() => undefined);
      return nest && new nest.RpcException(bodyForRpc(refusal, host));
    }
    default:
      return undefined;
  }
}

/** The body of a refusal; for gRPC with its status code. */
export function bodyForRpc(refusal: HttpRefusal, host: ArgumentsHost): object {
  const body = refusal.getResponse() as object;
  const metadata = host.getArgByIndex<{ readonly getMap?: unknown } | undefined>(1);
  // Only the metadata of gRPC has this method.
  return typeof metadata?.getMap === 'function' ? { ...body, code: GRPC_CODES[refusal.getStatus()] ?? 2 } : body;
}
