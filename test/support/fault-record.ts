import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { FaultReport } from './fault-scene.js';
import type { Holdings } from './server-node.js';

const FOLDER = 'coverage';

/** Adds a line to `coverage/faults.txt`, which `docs/reliability.md` takes its figures from. */
export function record(subject: string, report: FaultReport): void {
  const { fault, rounds, during, after, longest, recovery, backends, unknown, before, afterwards } = report;
  const columns = [subject, fault, rounds, counts(during), counts(after), longest, recovery, backends, unknown];
  line([...columns, held(before, afterwards)]);
}

/** Adds a line of other columns. */
export function line(columns: readonly (string | number)[]): void {
  mkdirSync(FOLDER, { recursive: true });
  appendFileSync(join(FOLDER, 'faults.txt'), `${columns.join(' | ')}\n`);
}

/** What a process held before and after. */
export function held(before: Holdings, after: Holdings): string {
  const megabytes = ({ heap }: Holdings) => (heap / 1e6).toFixed(0);
  return (
    `${megabytes(before)} -> ${megabytes(after)} MB, ${before.sockets} -> ${after.sockets} sockets, ` +
    `${before.timers} -> ${after.timers} timers`
  );
}

export function counts(byStatus: Readonly<Record<string, number>>): string {
  return Object.entries(byStatus)
    .map(([status, count]) => `${status}: ${count}`)
    .join(', ');
}
