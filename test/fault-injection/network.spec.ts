import { describeFaults, type Faults } from '../support/describe-faults.js';
import type { Fault, FaultScene } from '../support/fault-scene.js';

/** A fault of the proxy, which `speak` ends. */
const through =
  (begin: (scene: FaultScene) => Promise<void> | void): Fault =>
  async (scene) => {
    await begin(scene);
    return () => {
      scene.proxy.speak();
    };
  };

const FAULTS: Faults = {
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

describeFaults(
  'When the network to PostgreSQL fails under load',
  'and %s: good credentials get 2xx or 503, and nothing is lost',
  FAULTS,
);
