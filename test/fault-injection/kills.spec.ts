import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { onDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { record } from '../support/fault-record.js';
import { type Fault, FaultScene, ROUNDS } from '../support/fault-scene.js';
import { ADAPTERS } from '../support/test-app.js';

/** `SIGRA_ROUNDS=250` kills 500 times. */
const KILLS = ADAPTERS.length * ROUNDS;
/** Few: the process that starts shares the machine with them. */
const CLIENTS = 6;
/** Of each table, for clean-up in small batches: it needs about as long as a process to end. */
const AGED_ROWS = 200;
const OWNER = randomUUID();

/** Rows that clean-up deletes, of an owner without a client. They have no audit rows: none may remain. */
async function putAgedRows(client: pg.Client): Promise<void> {
  await client.query(
    `INSERT INTO sigra_api_tokens
       (id, owner_type, owner_id, token_epoch, name, prefix, hint, token_hash, scopes, expires_at, created_at)
     SELECT gen_random_uuid(), 'user', $1, 0, gen_random_uuid(), 'sigra_sk_', 'abcd', sha256(gen_random_uuid()::text::bytea),
       '{}', '2020-02-01', '2020-01-01' FROM generate_series(1, ${AGED_ROWS})`,
    [OWNER],
  );
  await client.query(
    `WITH families AS (
       INSERT INTO sigra_refresh_families (id, owner_type, owner_id, epoch, scopes, absolute_expires_at, created_at)
       SELECT gen_random_uuid(), 'user', $1, 0, '{}', '2020-02-01', '2020-01-01' FROM generate_series(1, ${AGED_ROWS})
       RETURNING id)
     INSERT INTO sigra_refresh_tokens (id, family_id, token_hash, expires_at, created_at)
     SELECT gen_random_uuid(), id, sha256(id::text::bytea), '2020-02-01', '2020-01-01' FROM families`,
    [OWNER],
  );
}

async function countAgedRows(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    `SELECT ((SELECT count(*) FROM sigra_api_tokens WHERE owner_id = $1) +
             (SELECT count(*) FROM sigra_refresh_families WHERE owner_id = $1))::int AS count`,
    [OWNER],
  );
  return rows[0]!.count;
}

/** Kills the nodes in turn, each time while clean-up is running on one of them. */
function killedInTurn(): Fault {
  let turn = 0;
  return (scene) =>
    onDatabase(scene.adminUrl, async (client) => {
      await putAgedRows(client);
      await eventually(async () => (await countAgedRows(client)) < 2 * AGED_ROWS);
      const startAgain = await scene.takeOut(turn++ % scene.nodes.length, (node) => node.kill());
      // The lease of a node that is killed lasts for a minute, for which the test does not wait.
      await client.query('UPDATE sigra_leases SET expires_at = clock_timestamp()');
      return async () => {
        await startAgain();
        await onDatabase(scene.adminUrl, (later) => eventually(async () => (await countAgedRows(later)) === 0));
      };
    });
}

describe('With an application that is killed under load', () => {
  let scene: FaultScene;

  beforeAll(async () => {
    const cleanup = { schedule: '* * * * * *', batchSize: 10 };
    scene = await FaultScene.start(ADAPTERS, undefined, { clients: CLIENTS, node: { cleanup } });
    await onDatabase(scene.adminUrl, (client) =>
      client.query(`INSERT INTO users (id, email) VALUES ($1, 'aged@example.com')`, [OWNER]),
    );
  }, 60_000);
  afterAll(() => scene.close());

  it(
    'nothing that was answered is lost, nothing is done by halves, and clean-up is completed',
    async () => {
      const report = await scene.suffer('killed', killedInTurn(), KILLS, 0, ['ECONNREFUSED', 'ECONNRESET', 'EPIPE']);

      record('express and fastify in turn', report);
      expect(report.violations).toEqual([]);
      expect(report.unknown).toBeGreaterThan(0);
      expect(report.backends).toBeLessThanOrEqual(20);
    },
    KILLS * 60_000,
  );
});
