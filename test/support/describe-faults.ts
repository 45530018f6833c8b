import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { record } from './fault-record.js';
import { type Fault, type FaultReport, FaultScene, ROUNDS } from './fault-scene.js';
import { ADAPTERS } from './test-app.js';

/** Faults by name, with the time that each lasts, in milliseconds. */
export type Faults = Readonly<Record<string, readonly [Fault, number]>>;

/** What a connection that does not react to a cancel request has, in milliseconds. */
const GRACE_MS = 1000;
/** What a machine that is busy with the clients and the server adds to an answer, in milliseconds. */
const BUSY_MS = 500;
/** What the heap of a node can grow by, in bytes, for code that ran for the first time. */
const GROWTH = 10e6;
/** Timers of a node that do not belong to a connection. */
const OWN_TIMERS = 5;

/** Describes an application with a node on each adapter that suffers each of the faults several times, under load. */
export function describeFaults(application: string, title: string, faults: Faults): void {
  describe(application, () => {
    let scene: FaultScene;

    beforeAll(async () => {
      scene = await FaultScene.start(ADAPTERS);
    }, 60_000);
    afterAll(() => scene.close());

    it.each(Object.entries(faults))(
      title,
      async (name, [fault, milliseconds]) => {
        const report = await scene.suffer(name, fault, ROUNDS, milliseconds);

        record('both adapters', report);
        expect(report.violations).toEqual([]);
        expect(exceeded(report, scene)).toEqual([]);
      },
      ROUNDS * 60_000,
    );
  });
}

/** The limits that an application did not keep. */
function exceeded(report: FaultReport, { lookupTimeout, poolSize }: FaultScene): readonly string[] {
  const { longest, recovery, backends, before, afterwards } = report;
  const nodes = ADAPTERS.length;
  const answer = lookupTimeout + GRACE_MS + BUSY_MS;
  const limits: readonly (readonly [what: string, value: number, limit: number])[] = [
    ['the longest answer, in ms', longest, answer],
    // A connection that was begun before the end of the fault can use up its own timeout first, which is the same.
    ['recovery, in ms', recovery, lookupTimeout + answer],
    ['backends', backends, nodes * poolSize],
    // Its clients have closed theirs.
    ['sockets', afterwards.sockets, nodes * poolSize],
    // An idle connection of the pool has one.
    ['timers', afterwards.timers, nodes * (poolSize + OWN_TIMERS)],
    ['heap, in bytes', afterwards.heap, before.heap + nodes * GROWTH],
  ];
  return limits
    .filter(([, value, limit]) => value > limit)
    .map(([what, ...values]) => `${what}: ${values.join(' > ')}`);
}
