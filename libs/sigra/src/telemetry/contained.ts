import { Logger } from '@nestjs/common';
import type { Channel, TracingChannel } from 'node:diagnostics_channel';
import { callContained, stackOf } from '../common/call-contained.js';

type Subscriber = (message: unknown, name: string | symbol) => unknown;

interface Subscribable {
  subscribe(subscriber: Subscriber): void;
  unsubscribe(subscriber: Subscriber): boolean;
}

/** Copies of the library in one process share a channel and its subscribers. */
const GUARDS = Symbol.for('nestjs-sigra:guards');

const logger = new Logger('Sigra telemetry');

/**
 * Logs the errors that subscribers of a channel throw. Node turns them into uncaught exceptions, so a bug in the host's
 * metrics would end the process. Does not apply to functions that subscribed before the library was loaded.
 */
export function contained(channel: Channel): Channel {
  const shared = channel as Channel & { [GUARDS]?: WeakMap<Subscriber, Subscriber> };
  const guards = (shared[GUARDS] ??= new WeakMap());

  const guardOf = (subscriber: Subscriber): Subscriber => {
    // Node rejects it with a clear message.
    if (typeof subscriber !== 'function') return subscriber;
    const guard = guards.get(subscriber) ?? guarded(subscriber);
    guards.set(subscriber, guard);
    // With its first subscriber, a channel becomes active and calls its own `subscribe` again, with the guard.
    guards.set(guard, guard);
    return guard;
  };
  // Read on every call: the prototype of a channel changes with its first and its last subscriber.
  const inherited = () => Object.getPrototypeOf(channel) as Subscribable;
  const own: Subscribable = {
    subscribe: (subscriber) => inherited().subscribe.call(channel, guardOf(subscriber)),
    unsubscribe: (subscriber) => inherited().unsubscribe.call(channel, guardOf(subscriber)),
  };
  return Object.assign(channel, own);
}

/** Applies `contained` to all five channels of a tracing channel. */
export function containedTracing<C extends TracingChannel<unknown, object>>(channel: C): C {
  for (const each of [channel.start, channel.end, channel.asyncStart, channel.asyncEnd, channel.error]) contained(each);
  return channel;
}

function guarded(subscriber: Subscriber): Subscriber {
  return (message, name) => {
    callContained(
      () => subscriber(message, name),
      (error) => {
        logger.error(`A subscriber of ${String(name)} failed: ${stackOf(error)}`);
      },
    );
  };
}
