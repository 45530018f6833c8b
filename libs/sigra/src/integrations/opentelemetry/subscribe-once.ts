import { stateOfProcess } from '../../common/package-copies.js';

interface Shared {
  users: number;
  readonly unsubscribe: () => void;
}

/** The subscriptions of the process, by provider. */
const subscriptions = stateOfProcess('opentelemetry', () => new Map<object, Shared>());

/**
 * Subscribes for a provider, unless it is subscribed already: otherwise two applications of one process, or two copies of
 * this package, would count each event twice.
 *
 * @returns unsubscribes when the last user of the provider calls it
 */
export function subscribeOnce(provider: object, subscribe: () => () => void): () => void {
  const shared = subscriptions.get(provider) ?? { users: 0, unsubscribe: subscribe() };
  subscriptions.set(provider, shared);
  shared.users++;
  return () => {
    if (--shared.users > 0) return;
    subscriptions.delete(provider);
    shared.unsubscribe();
  };
}
