import {
  type LookupBatch,
  lookupBatch,
  type LookupName,
  type LookupQueue,
  lookupQueue,
  type LookupShed,
  lookupShed,
} from './channels.js';

/** Publishes what happens in the queue of one batched read. Costs one property read a signal when there are no subscribers. */
export class LookupSignals {
  private readonly queue: symbol;

  constructor(private readonly lookup: LookupName) {
    this.queue = Symbol(lookup);
  }

  /** @param waiting the number of requests in the queue */
  queued(waiting: number): void {
    const { lookup, queue } = this;
    if (lookupQueue.hasSubscribers) lookupQueue.publish({ lookup, queue, waiting } satisfies LookupQueue);
  }

  shed(reason: LookupShed['reason'], requests: number): void {
    const { lookup } = this;
    if (lookupShed.hasSubscribers) lookupShed.publish({ lookup, reason, requests } satisfies LookupShed);
  }

  /** @param start milliseconds of `performance.now()` */
  read(keys: number, start: number, error?: unknown): void {
    if (!lookupBatch.hasSubscribers) return;
    const { lookup } = this;
    const duration = (performance.now() - start) / 1000;
    lookupBatch.publish({ lookup, keys, duration, error } satisfies LookupBatch);
  }
}
