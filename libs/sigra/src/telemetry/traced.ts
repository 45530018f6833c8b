import type { TracingChannel } from 'node:diagnostics_channel';
import { ownCopy } from '../common/own-copy.js';
import { credentialVerification, type SigraTrace, type Verification, verifyChannels } from './channels.js';

/**
 * Runs an operation under a tracing channel. The result can contain secrets, so subscribers get `describe(result)` instead.
 * Costs one property read when there are no subscribers.
 *
 * @param message properties of the operation; those that `run` adds appear in the events of its end
 */
export function traced<T>(
  channel: TracingChannel<object, SigraTrace>,
  message: SigraTrace,
  run: () => Promise<T>,
  describe: (result: T) => unknown,
): Promise<T> {
  return channel.hasSubscribers ? publish(channel, message, run, describe) : run();
}

/** Runs a verification under its tracing channel, and also publishes how it ends to those who only count. */
export function tracedVerification<T>(
  operation: Verification['operation'],
  run: () => Promise<T>,
  describe: (result: T) => unknown,
): Promise<T> {
  const verification = traced(verifyChannels[operation], {}, run, describe);
  if (credentialVerification.hasSubscribers) {
    const end = (error?: unknown) => {
      credentialVerification.publish({ operation, error } satisfies Verification);
    };
    void verification.then(() => {
      end();
    }, end);
  }
  return verification;
}

function publish<T>(
  channel: TracingChannel<object, SigraTrace>,
  message: SigraTrace,
  run: () => Promise<T>,
  describe: (result: T) => unknown,
): Promise<T> {
  // A copy: subscribers can change, freeze or keep it without an effect on the operation.
  const published: SigraTrace = { ...message };
  let operation: Promise<T> | undefined;
  const outcome = () => operation ?? run();
  // Few promises: with metrics, each verification passes here.
  const traced = () => {
    operation = run();
    return operation.then(
      (result) => {
        Object.assign(published, message);
        return ownCopy(describe(result));
      },
      (error: unknown) => {
        Object.assign(published, message);
        throw error;
      },
    );
  };
  return channel.tracePromise(traced, published).then(outcome, outcome);
}
