import type { TracingChannel } from 'node:diagnostics_channel';
import type { SigraTrace } from './channels.js';

/**
 * Runs an operation under a tracing channel. What it resolves to may hold secrets, so subscribers get `describe(result)`
 * instead. Without a subscriber it costs one property read.
 *
 * @param message what is known of the operation; what `run` adds to it is seen by the events of its end
 */
export function traced<T>(
  channel: TracingChannel<unknown, SigraTrace>,
  message: SigraTrace,
  run: () => Promise<T>,
  describe: (result: T) => unknown,
): Promise<T> {
  return channel.hasSubscribers ? publish(channel, message, run, describe) : run();
}

async function publish<T>(
  channel: TracingChannel<unknown, SigraTrace>,
  message: SigraTrace,
  run: () => Promise<T>,
  describe: (result: T) => unknown,
): Promise<T> {
  // Subscribers may change, freeze or keep what they are given: it is theirs, and no part of the operation.
  const published: SigraTrace = { ...message };
  let operation: Promise<T> | undefined;
  const traced = async () => {
    operation = run();
    const described = await operation.then(describe).finally(() => Object.assign(published, message));
    return structuredClone(described);
  };
  await channel.tracePromise(traced, published).catch(() => undefined);
  return operation ?? run();
}
