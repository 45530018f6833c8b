import type { Attributes } from '@opentelemetry/api';
import type { TracingChannel } from 'node:diagnostics_channel';
import { SigraError } from '../../common/sigra-error.js';
import type { SigraTrace } from '../../telemetry/channels.js';
import { listen, stopAll } from './listen.js';

/** What is done at the start and at the end of each operation. */
export interface OperationObserver<T> {
  /** @returns what `ended` needs; undefined to ignore the operation */
  started(operation: string): T | undefined;
  ended(state: T, operation: string, error: unknown): void;
}

type OperationChannel = TracingChannel<object, SigraTrace>;

/** Observes the operations of tracing channels. @returns unsubscribes */
export function observeOperations<T>(
  channels: readonly OperationChannel[],
  observer: OperationObserver<T>,
): () => void {
  return stopAll(channels.map((channel) => observe(channel, observer)));
}

function observe<T>(channel: OperationChannel, observer: OperationObserver<T>): () => void {
  const operation = operationOf(channel);
  // An operation has one message object from its start to its end.
  const running = Symbol('running');
  type Message = SigraTrace & { [running]?: T };
  return stopAll([
    listen(channel.start, (message: Message) => {
      const state = observer.started(operation);
      // Another subscriber can have frozen it.
      if (state !== undefined && Object.isExtensible(message)) message[running] = state;
    }),
    listen(channel.asyncEnd, (message: Message) => {
      const state = message[running];
      if (state !== undefined) observer.ended(state, operation, message.error);
    }),
  ]);
}

/** `api_token.verify` for the channel `tracing:sigra:api_token:verify:start`. */
function operationOf({ start }: OperationChannel): string {
  return String(start.name).split(':').slice(2, -1).join('.');
}

/** The attribute `error.type`: the code, or `_OTHER` for an error that has none. Nothing without an error. */
export function errorType(error: unknown): Attributes {
  if (error === undefined) return {};
  return { 'error.type': error instanceof SigraError ? error.code : '_OTHER' };
}
