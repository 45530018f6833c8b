import type { Meter, ObservableResult } from '@opentelemetry/api';
import { type LookupQueue, lookupQueue } from '../../telemetry/channels.js';
import { listen } from './listen.js';

/** Observes how many requests wait for the database. @returns unsubscribes */
export function observeQueues(meter: Meter): () => void {
  // Only the queues in which requests wait, so that those of applications that have ended are not kept.
  const queues = new Map<symbol, LookupQueue>();
  const seen = new Set<LookupQueue['lookup']>();
  const lengths = meter.createObservableUpDownCounter('sigra.lookup.queue.length', {
    description: 'Requests that wait for the next query, by lookup',
    unit: '{request}',
  });
  const observe = (result: ObservableResult) => {
    for (const lookup of seen) {
      let waiting = 0;
      for (const queue of queues.values()) if (queue.lookup === lookup) waiting += queue.waiting;
      result.observe(waiting, { 'sigra.lookup': lookup });
    }
  };
  const stop = listen(lookupQueue, (message: LookupQueue) => {
    seen.add(message.lookup);
    if (message.waiting > 0) queues.set(message.queue, message);
    else queues.delete(message.queue);
  });
  lengths.addCallback(observe);
  return () => {
    lengths.removeCallback(observe);
    stop();
  };
}
