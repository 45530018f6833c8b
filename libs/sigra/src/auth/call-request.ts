import type { ExecutionContext } from '@nestjs/common';
import { isObject } from '../common/is-object.js';
import { AcrossCopies, stateOfProcess } from '../common/package-copies.js';
import { requestOfOperation } from './graphql-operation.js';
import { type Carrier, countWait, type GuardedCall, type HttpRequest } from './http-exchange.js';
import { requestOfRpc } from './rpc-message.js';
import { requestOfSocket } from './socket-handshake.js';

/** Finds the request of a call. */
export type RequestFinder = (context: ExecutionContext) => HttpRequest;

/**
 * The request of a call: for a controller and for a GraphQL query the HTTP request, otherwise an object that stands for the
 * call, with the credential in its headers. Guards and decorators of parameters get the same one.
 *
 * @param keyHeaders further headers of credentials, for the first guard of a call: what it finds is kept
 * @throws TypeError for a context that Sigra does not know, unless a guard has found its request
 * @throws SigraError `invalid_request` for two credentials in one call
 */
export function requestOf(context: ExecutionContext, keyHeaders: readonly string[] = []): HttpRequest {
  if (context.getType() !== 'http') return requestOfOther(context, keyHeaders);
  // By index: `switchToHttp()` creates three functions for each call.
  const request: unknown = context.getArgByIndex<unknown>(0);
  return isObject(request) ? (request as unknown as HttpRequest) : none(context);
}

function requestOfOther(context: ExecutionContext, keyHeaders: readonly string[]): HttpRequest {
  return keptRequest(context) ?? keepRequest(context, findRequest(context, keyHeaders) ?? none(context));
}

function findRequest(context: ExecutionContext, keyHeaders: readonly string[]): HttpRequest | undefined {
  switch (context.getType<string>()) {
    case 'graphql':
      return requestOfOperation(context.getArgByIndex<unknown>(2), keyHeaders);
    case 'ws':
      return requestOfSocket(context.getArgByIndex<unknown>(0), keyHeaders);
    case 'rpc':
      return requestOfRpc(context.getArgByIndex<unknown>(0), context.getArgByIndex<unknown>(1), keyHeaders);
    default:
      return undefined;
  }
}

function none(context: ExecutionContext): never {
  throw new TypeError(
    `sigra: no request to authenticate in a call of type "${context.getType<string>()}": extend the guard, and return one from getRequest()`,
  );
}

/** A request among the arguments of a WebSocket handler, which have nothing else that belongs to one message only. */
@AcrossCopies('keptRequest')
class KeptRequest {
  constructor(readonly request: HttpRequest) {}
}

/** By the argument of a call that belongs to this call only. */
const requests = stateOfProcess('requests', () => new WeakMap<object, HttpRequest>());

/**
 * Keeps the request of a call other than HTTP for the guards and the decorators that follow. Nest gives guards and
 * decorators different contexts, which have only the elements of their arguments in common.
 */
export function keepRequest(context: ExecutionContext, request: HttpRequest): HttpRequest {
  if (keptRequest(context) === request) return request;
  const own = ownArgument(context);
  if (context.getType() === 'ws') {
    // Nest reads the first two arguments, the last one, and functions.
    context.getArgs<unknown[]>().splice(-1, 0, new KeptRequest(request));
  } else if (own && request !== (own as { readonly req?: unknown }).req) {
    requests.set(own, request);
  }
  return request;
}

function keptRequest(context: ExecutionContext): HttpRequest | undefined {
  if (context.getType() === 'ws') {
    return context.getArgs<unknown[]>().findLast((arg) => arg instanceof KeptRequest)?.request;
  }
  const own = ownArgument(context);
  return own && requests.get(own);
}

function ownArgument(context: ExecutionContext): object | undefined {
  switch (context.getType<string>()) {
    case 'graphql':
      return objectOf(context.getArgByIndex<unknown>(2));
    case 'rpc':
      return objectOf(context.getArgByIndex<unknown>(1)) ?? objectOf(context.getArgByIndex<unknown>(0));
    default:
      return context.getArgs<unknown[]>().find(isObject);
  }
}

/** On a context, and on the request of a call of HTTP. */
const CALL = Symbol.for('nestjs-sigra:call');
const STRATEGY_CALL = Symbol.for('nestjs-sigra:strategyCall');

interface CallKeeper {
  [CALL]?: GuardedCall | undefined;
  /** What a strategy of Passport knows of the request. */
  [STRATEGY_CALL]?: GuardedCall;
}

/**
 * What the guards of one call know. Nest gives all of them the same context, and handles a request, or a message of a
 * subscription, with a context of its own.
 */
export function guardedCall(context: ExecutionContext, request: HttpRequest): GuardedCall {
  const call = ((context as CallKeeper)[CALL] ??= context.getType() === 'http' ? callOfHttp(request) : {});
  if (context.getType() !== 'http') call.carrier = carrierOf(context);
  // The request of a GraphQL operation can live as long as its connection.
  if (context.getType<string>() !== 'graphql') countWait(request);
  return call;
}

/**
 * What guards know of a request that reaches a strategy of Passport, which gets no context. Guards of HTTP use the credential that a
 * strategy has read. Other strategies do not: the same request can stand for each message of a GraphQL connection.
 */
export function callOfStrategy(request: HttpRequest): GuardedCall {
  countWait(request);
  const keeper = request as CallKeeper;
  return keeper[CALL] ?? (keeper[STRATEGY_CALL] = {});
}

function callOfHttp(request: HttpRequest): GuardedCall {
  const keeper = request as CallKeeper;
  return (keeper[CALL] ??= keeper[STRATEGY_CALL] ?? {});
}

/** Forgets what guards have read, so that they read it again. */
export function renewCall(context: ExecutionContext): void {
  (context as CallKeeper)[CALL] = undefined;
}

function carrierOf(context: ExecutionContext): Carrier | undefined {
  switch (context.getType<string>()) {
    case 'ws':
      return 'socket';
    case 'rpc':
      return 'microservice';
    case 'graphql':
      // A request that is kept is not that of HTTP.
      return keptRequest(context) && 'socket';
    default:
      return undefined;
  }
}

function objectOf(value: unknown): object | undefined {
  return isObject(value) ? value : undefined;
}
