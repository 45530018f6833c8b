import { Logger } from '@nestjs/common';
import type { Attributes, Meter } from '@opentelemetry/api';
import { callContained, stackOf } from '../../common/call-contained.js';
import { credentialVerification, type Verification } from '../../telemetry/channels.js';
import { listen } from './listen.js';
import { errorType } from './operations.js';

interface Pending {
  readonly attributes: Attributes;
  count: number;
}

const logger = new Logger('Sigra telemetry');

/**
 * Counts verifications by operation and error. The SDK writes the attributes as JSON whenever something is added, so those of an
 * event-loop turn are added together.
 *
 * @returns unsubscribes
 */
export function countVerifications(meter: Meter): () => void {
  const counter = meter.createCounter('sigra.verifications', {
    unit: '{verification}',
    description: 'API tokens and access tokens that were verified or refused, by operation and error',
  });
  const pending = new Map<string, Pending>();
  const add = () => {
    const counts = [...pending.values()];
    pending.clear();
    for (const { attributes, count } of counts) counter.add(count, attributes);
  };
  const addContained = () => {
    callContained(add, (error) => {
      logger.error(`Verifications could not be counted: ${stackOf(error)}`);
    });
  };
  const stop = listen(credentialVerification, ({ operation, error }: Verification) => {
    if (pending.size === 0) setImmediate(addContained);
    const attributes = { 'sigra.operation': operation, ...errorType(error) };
    const key = Object.values(attributes).join();
    const same = pending.get(key);
    if (same) same.count++;
    else pending.set(key, { attributes, count: 1 });
  });
  return () => {
    stop();
    addContained();
  };
}
