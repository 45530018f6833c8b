import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { record } from './fault-record.js';
import { type Fault, FaultScene, ROUNDS } from './fault-scene.js';
import { ADAPTERS } from './test-app.js';

/** Faults by name, with the time that each lasts, in milliseconds. */
export type Faults = Readonly<Record<string, readonly [Fault, number]>>;

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
        expect(report.backends).toBeLessThanOrEqual(ADAPTERS.length * scene.poolSize);
      },
      ROUNDS * 60_000,
    );
  });
}
