import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { FaultReport } from './fault-scene.js';

const FOLDER = 'coverage';

/** Adds a line to `coverage/faults.txt`, which `docs/reliability.md` takes its figures from. */
export function record(subject: string, report: FaultReport): void {
  const { fault, rounds, during, after, longest, recovery, backends, unknown, before, afterwards } = report;
  const megabytes = ({ heap }: { heap: number }) => (heap / 1e6).toFixed(0);
  mkdirSync(FOLDER, { recursive: true });
  appendFileSync(
    join(FOLDER, 'faults.txt'),
    [
      `${subject} | ${fault} | ${rounds} | ${counts(during)} | ${counts(after)} | ${longest} | ${recovery} | ${backends} | ${unknown}`,
      `${megabytes(before)} -> ${megabytes(afterwards)} MB, ${before.sockets} -> ${afterwards.sockets} sockets, ` +
        `${before.timers} -> ${afterwards.timers} timers\n`,
    ].join(' | '),
  );
}

function counts(byStatus: Readonly<Record<string, number>>): string {
  return Object.entries(byStatus)
    .map(([status, count]) => `${status}: ${count}`)
    .join(', ');
}
