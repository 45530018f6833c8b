import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { record } from '../support/fault-record.js';
import { type Fault, FaultScene, ROUNDS } from '../support/fault-scene.js';
import { ADAPTERS } from '../support/test-app.js';

/** A fault of the proxy, which `speak` ends. */
const through =
  (begin: (scene: FaultScene) => Promise<void> | void): Fault =>
  async (scene) => {
    await begin(scene);
    return () => {
      scene.proxy.speak();
    };
  };

/** Twice as often as the faults of PostgreSQL: they take less time. */
const REPEATS = 2 * ROUNDS;

const FAULTS: Readonly<Record<string, readonly [Fault, number]>> = {
  'refuses connections': [
    async ({ proxy }) => {
      await proxy.cut();
      return () => proxy.mend();
    },
    1500,
  ],
  'drops all packets': [
    through(({ proxy }) => {
      proxy.silence();
    }),
    3000,
  ],
  'leaves the open connections silent': [
    through(({ proxy }) => {
      proxy.strand();
    }),
    1500,
  ],
  'delays answers by 500 ms': [
    through(({ proxy }) => {
      proxy.delayAnswers(500);
    }),
    3000,
  ],
  'cuts connections in the middle of an answer': [
    through(({ proxy }) => {
      proxy.cutAnswers(20);
    }),
    1500,
  ],
  'loses the answers to COMMIT': [
    through(({ proxy }) => {
      proxy.loseAnswerTo('COMMIT\0', true);
    }),
    1500,
  ],
  'ends connections as soon as they are ready': [
    async ({ proxy }) => {
      await proxy.cut();
      proxy.failNewConnections();
      await proxy.mend();
      return () => {
        proxy.speak();
      };
    },
    1500,
  ],
};

describe.each(ADAPTERS)('When the network to PostgreSQL fails under load, on %s', (adapter) => {
  let scene: FaultScene;

  beforeAll(async () => {
    scene = await FaultScene.start([adapter]);
  }, 60_000);
  afterAll(() => scene.close());

  it.each(Object.entries(FAULTS))(
    'and %s: good credentials get 2xx or 503, and nothing is lost',
    async (name, [fault, milliseconds]) => {
      const report = await scene.suffer(name, fault, REPEATS, milliseconds);

      record(adapter, report);
      expect(report.violations).toEqual([]);
      expect(report.backends).toBeLessThanOrEqual(scene.poolSize);
    },
    REPEATS * 60_000,
  );
});
