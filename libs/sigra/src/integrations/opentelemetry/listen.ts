import { type Channel, subscribe, unsubscribe } from 'node:diagnostics_channel';

/** Calls a function for each message of a channel, which it declares the type of. @returns unsubscribes */
export function listen({ name }: Channel, each: (message: never) => void): () => void {
  const subscriber = (message: unknown) => {
    each(message as never);
  };
  subscribe(name, subscriber);
  return () => {
    unsubscribe(name, subscriber);
  };
}

/** Makes one function that unsubscribes all. */
export function stopAll(stops: readonly (() => void)[]): () => void {
  return () => {
    for (const stop of stops) stop();
  };
}
