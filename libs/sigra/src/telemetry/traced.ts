import type { TracingChannel } from 'node:diagnostics_channel';
import type { SigraTrace } from './channels.js';

/**
 * Runs an operation under a tracing channel. What it resolves to may hold secrets, so subscribers get `describe(result)`
 * instead. Without a subscriber it costs one property read.
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
  let outcome: { result: T } | undefined;
  await channel.tracePromise(async () => {
    outcome = { result: await run() };
    return describe(outcome.result);
  }, message);
  return (outcome as unknown as { result: T }).result;
}
