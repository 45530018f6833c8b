import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { POOLED_BACKENDS } from '../../tools/pg-bouncer/src/pg-bouncer.js';
import { line, record } from '../support/fault-record.js';
import { type Fault, FaultScene, ROUNDS } from '../support/fault-scene.js';
import { revokeElsewhere } from '../support/revoked-elsewhere.js';

const NODES = ['express', 'fastify', 'express'] as const;
/** Of each kind. `SIGRA_ROUNDS=125` revokes 10,000 credentials. */
const REVOCATIONS = 10 * ROUNDS;
/** Few: the process that starts shares the machine with them. */
const CLIENTS = 6;
const POOL = 10;

/** Stops one node after the other with SIGTERM, and starts it again before the next. */
const rollingRestart: Fault = async (scene) => {
  for (const index of NODES.keys()) {
    const startAgain = await scene.takeOut(index, (node) => node.terminate());
    await startAgain();
  }
  return () => Promise.resolve();
};

const poolerKilled: Fault = async ({ pooler }) => {
  await pooler!.kill();
  return () => pooler!.startAgain();
};

describe.each([
  { way: 'directly', pooled: false, backends: NODES.length * POOL },
  { way: 'through PgBouncer', pooled: true, backends: POOLED_BACKENDS },
])('With three nodes that are connected $way', ({ way, pooled, backends }) => {
  let scene: FaultScene;

  beforeAll(async () => {
    scene = await FaultScene.start(NODES, undefined, { pooled, clients: CLIENTS, node: { cutsConnections: false } });
  }, 120_000);
  afterAll(() => scene.close());

  it(
    'a credential that one node revokes is refused by the next request on each of the others',
    async () => {
      const urls = scene.nodes.map(({ url }) => url);

      const { revoked, refused, unavailable } = await revokeElsewhere(scene.adminUrl, urls, REVOCATIONS);

      line([`three nodes ${way}`, 'revoked on another node', revoked, JSON.stringify(refused), unavailable]);
      expect(refused).toEqual({ 401: 2 * revoked });
    },
    60_000 + REVOCATIONS * 1000,
  );

  it(
    'a rolling restart under load costs no request that was accepted, and nothing is lost',
    async () => {
      // A connection that is kept alive can close while a request is on its way to the node, which then has not accepted it.
      const report = await scene.suffer('restarted in turn', rollingRestart, ROUNDS, 0, ['ECONNREFUSED', 'ECONNRESET']);

      record(`three nodes ${way}`, report);
      expect(report.violations).toEqual([]);
      expect(report.backends).toBeLessThanOrEqual(backends);
    },
    ROUNDS * 180_000,
  );

  if (!pooled) return;

  it(
    'good credentials get 2xx or 503, and nothing is lost, when PgBouncer is killed',
    async () => {
      const report = await scene.suffer('PgBouncer killed', poolerKilled, ROUNDS, 2000);

      record(`three nodes ${way}`, report);
      expect(report.violations).toEqual([]);
      expect(report.backends).toBeLessThanOrEqual(backends);
    },
    ROUNDS * 120_000,
  );
});
