import type { Attributes, Meter } from '@opentelemetry/api';
import {
  type AuditLogSafeError,
  auditLogSafeError,
  cleanupChannels,
  type LookupBatch,
  lookupBatch,
  type LookupShed,
  lookupShed,
  type OwnersKept,
  ownersKept,
  ownerSweep,
  refreshReuseDetected,
  type SigraTrace,
  standbyRead,
  type StandbyRead,
  type SweepProgress,
  tracedChannels,
  verifyChannels,
} from '../../telemetry/channels.js';
import { countVerifications } from './count-verifications.js';
import { listen, stopAll } from './listen.js';
import { observeQueues } from './observe-queues.js';
import { errorType, observeOperations } from './operations.js';

/** In seconds: a verification takes about a millisecond, and `lookupTimeout` is two seconds. */
const DURATIONS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** In keys, up to the most that a query reads. */
const SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/** Records all metrics. @returns unsubscribes */
export function subscribeMeter(meter: Meter): () => void {
  return stopAll([
    countVerifications(meter),
    recordOperations(meter),
    recordLookups(meter),
    observeQueues(meter),
    recordCleanup(meter),
    recordEvents(meter),
  ]);
}

function recordOperations(meter: Meter): () => void {
  const durations = meter.createHistogram('sigra.operation.duration', {
    description: 'Duration of operations on credentials other than verifications, by operation and error',
    unit: 's',
    advice: { explicitBucketBoundaries: DURATIONS },
  });
  const verifications = new Set<object>(Object.values(verifyChannels));
  const operations = tracedChannels.filter((channel) => !verifications.has(channel));
  return observeOperations<number>(operations, {
    started: () => performance.now(),
    ended: (start, operation, error) => {
      const attributes = { 'sigra.operation': operation, ...errorType(error) };
      durations.record((performance.now() - start) / 1000, attributes);
    },
  });
}

function recordLookups(meter: Meter): () => void {
  const durations = meter.createHistogram('sigra.lookup.duration', {
    description: 'Duration of the queries that serve the requests of an event-loop turn, by lookup and error',
    unit: 's',
    advice: { explicitBucketBoundaries: DURATIONS },
  });
  const sizes = meter.createHistogram('sigra.lookup.batch.size', {
    description: 'Keys that one of these queries reads',
    unit: '{key}',
    advice: { explicitBucketBoundaries: SIZES },
  });
  return listen(lookupBatch, ({ lookup, keys, duration, error }: LookupBatch) => {
    durations.record(duration, { 'sigra.lookup': lookup, ...errorType(error) });
    sizes.record(keys, { 'sigra.lookup': lookup });
  });
}

/** Messages that count something. */
function recordEvents(meter: Meter): () => void {
  const counter = (name: string, unit: string, description: string) => meter.createCounter(name, { unit, description });
  const shed = counter('sigra.lookup.shed', '{request}', 'Requests that were refused because the database is too slow');
  const reuses = counter('sigra.jwt.reuse', '{family}', 'Families that were revoked because of reuse');
  const swept = counter('sigra.sweep.rows', '{row}', 'Rows that were marked or deleted after a revocation');
  const kept = counter('sigra.cleanup.owners_kept', '{run}', 'Runs of clean-up that kept owners without a user');
  const standby = counter('sigra.standby.reads', '{query}', 'Queries of standbys, by server and outcome');
  const lost = counter('sigra.audit.lost', '{event}', 'Audit events that could not be written');
  return stopAll([
    listen(lookupShed, ({ lookup, reason, requests }: LookupShed) => {
      shed.add(requests, { 'sigra.lookup': lookup, 'sigra.reason': reason });
    }),
    listen(refreshReuseDetected, () => {
      reuses.add(1);
    }),
    listen(ownerSweep, ({ task, rows }: SweepProgress) => {
      swept.add(rows, { 'sigra.task': task });
    }),
    listen(ownersKept, ({ reason }: OwnersKept) => {
      kept.add(1, { 'sigra.reason': reason });
    }),
    listen(standbyRead, ({ standby: host, outcome }: StandbyRead) => {
      standby.add(1, { ...serverOf(host), 'sigra.outcome': outcome });
    }),
    listen(auditLogSafeError, ({ reason, actions }: AuditLogSafeError) => {
      lost.add(actions.length, { 'sigra.reason': reason });
    }),
  ]);
}

/** Splits the host of a URL, with brackets around an IPv6 address. Without a port, it is the default one. */
function serverOf(standby: string): Attributes {
  const [, address = standby, port] = /^\[?(.+?)\]?(?::(\d+))?$/.exec(standby) ?? [];
  return { 'server.address': address, ...(port !== undefined && { 'server.port': Number(port) }) };
}

function recordCleanup(meter: Meter): () => void {
  const rows = meter.createCounter('sigra.cleanup.rows', {
    unit: '{row}',
    description: 'Rows that clean-up deleted, by kind',
  });
  return listen(cleanupChannels.run.asyncEnd, ({ result }: SigraTrace) => {
    for (const [kind, count] of Object.entries(result ?? {})) {
      if (typeof count === 'number') rows.add(count, { 'sigra.rows': kind });
    }
  });
}
