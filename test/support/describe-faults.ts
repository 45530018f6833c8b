import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { record } from './fault-record.js';
import { type Fault, FaultScene } from './fault-scene.js';
import { ADAPTERS } from './test-app.js';

/** Faults by name, with the time that each lasts, in milliseconds. */
export type Faults = Readonly<Record<string, readonly [Fault, number]>>;

/** Describes an application on each adapter that suffers each of the faults several times, under load. */
export function describeFaults(application: string, title: string, faults: Faults, rounds: number): void {
  describe.each(ADAPTERS)(application, (adapter) => {
    let scene: FaultScene;

    beforeAll(async () => {
      scene = await FaultScene.start([adapter]);
    }, 60_000);
    afterAll(() => scene.close());

    it.each(Object.entries(faults))(
      title,
      async (name, [fault, milliseconds]) => {
        const report = await scene.suffer(name, fault, rounds, milliseconds);

        record(adapter, report);
        expect(report.violations).toEqual([]);
        expect(report.backends).toBeLessThanOrEqual(scene.poolSize);
      },
      rounds * 60_000,
    );
  });
}
