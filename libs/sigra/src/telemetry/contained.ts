import { Logger } from '@nestjs/common';
import type { Channel, TracingChannel } from 'node:diagnostics_channel';

type Subscriber = (message: unknown, name: string | symbol) => unknown;

interface Subscribable {
  subscribe(subscriber: Subscriber): void;
  unsubscribe(subscriber: Subscriber): boolean;
}

/** Channels belong to the process. Two copies of the library in it have to know each other's subscribers. */
const GUARDS = Symbol.for('nestjs-sigra:guards');

const logger = new Logger('Sigra telemetry');

/**
 * Keeps what the subscribers of a channel throw away from the process. Node makes it an uncaught exception, so that a slip
 * in a host's metrics would end the API; here it is logged. Subscribers that came before the library was loaded are
 * left to Node.
 */
export function contained(channel: Channel): Channel {
  const shared = channel as Channel & { [GUARDS]?: WeakMap<Subscriber, Subscriber> };
  const guards = (shared[GUARDS] ??= new WeakMap());

  const guardOf = (subscriber: Subscriber): Subscriber => {
    // Left to Node, which says what is wrong with it.
    if (typeof subscriber !== 'function') return subscriber;
    const guard = guards.get(subscriber) ?? guarded(subscriber);
    guards.set(subscriber, guard);
    // A channel hands its first subscriber to itself once more, when it has become an active one.
    guards.set(guard, guard);
    return guard;
  };
  // Read at every call: the prototype of a channel changes with its first and its last subscriber.
  const inherited = () => Object.getPrototypeOf(channel) as Subscribable;
  const own: Subscribable = {
    subscribe: (subscriber) => inherited().subscribe.call(channel, guardOf(subscriber)),
    unsubscribe: (subscriber) => inherited().unsubscribe.call(channel, guardOf(subscriber)),
  };
  return Object.assign(channel, own);
}

/** `contained` for each of the five channels of a tracing channel. */
export function containedTracing<C extends TracingChannel<unknown, object>>(channel: C): C {
  for (const each of [channel.start, channel.end, channel.asyncStart, channel.asyncEnd, channel.error]) contained(each);
  return channel;
}

function guarded(subscriber: Subscriber): Subscriber {
  return (message, name) => {
    const report = (error: unknown): void => {
      logger.error(`A subscriber of ${String(name)} failed: ${error instanceof Error ? error.stack : String(error)}`);
    };
    try {
      const outcome = subscriber(message, name);
      if (outcome instanceof Promise) outcome.catch(report);
    } catch (error) {
      report(error);
    }
  };
}
