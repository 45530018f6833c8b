import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Served } from '../support/credential-load.js';
import { onDatabase } from '../support/database.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { eventually } from '../support/eventually.js';
import { record } from '../support/fault-record.js';
import { FaultScene, ROUNDS } from '../support/fault-scene.js';
import { PostgresCluster } from '../support/postgres-cluster.js';
import { ADAPTERS } from '../support/test-app.js';

const SECOND = 1000;
const READS = ['use token', 'use JWT', 'read'];
const TOKEN = { name: 'CI', scopes: ['read:notes'] };
const rounds = Array.from({ length: ROUNDS }, (_, index) => index + 1);

describe('With a synchronous standby of PostgreSQL, under load', () => {
  let scene: FaultScene;
  let primary: PostgresCluster;
  let standby: PostgresCluster;
  /** Between the two servers. */
  let network: DatabaseProxy;

  beforeAll(async () => {
    scene = await FaultScene.start(ADAPTERS);
    // A commit waits until the queries of the standby see it.
    await scene.admin(async (client) => {
      await client.query('ALTER ROLE host SET synchronous_commit = remote_apply');
      await scene.terminateBackends(client);
    });
  }, 60_000);
  afterAll(() => scene.close());
  beforeEach(async () => {
    primary = scene.cluster;
    network = await DatabaseProxy.start(primary.url);
    standby = await PostgresCluster.standbyOf(primary, network.url);
  }, 60_000);
  afterEach(async () => {
    await network.stop();
    // The scene disposes of the server that it uses.
    await (scene.cluster === primary ? standby : primary).dispose();
  });

  it.each(rounds)(
    'survives a fail-over without a restart, and loses nothing: round %s',
    async () => {
      const report = await scene.suffer(
        'primary killed, standby promoted',
        async () => {
          await primary.stop('kill');
          return async () => {
            await standby.promote();
            scene.moveTo(standby);
          };
        },
        1,
        SECOND,
      );

      record('both adapters', report);
      expect(report.violations).toEqual([]);
      expect(report.backends).toBeLessThanOrEqual(ADAPTERS.length * scene.poolSize);
    },
    60_000,
  );

  it('does not acknowledge a change that a standby lacks, which is cut off', async () => {
    const { load } = scene;
    const id = await newUser(scene);
    const session = { 'x-session-user': id };
    const { body: kept } = await load.send('create', 'POST', '/api/tokens', session, TOKEN);
    const { body: pair } = await load.send('sign in', 'POST', '/api/jwt', session, { scopes: TOKEN.scopes });
    const grant = { grant_type: 'refresh_token', refresh_token: pair.refresh_token! };
    network.silence();

    // One after the other: the second change of an owner waits for the first, and is not sent to the standby in time.
    const answers = [
      await load.send('create', 'POST', '/api/tokens', session, TOKEN),
      await load.send('revoke', 'DELETE', `/api/tokens/${kept.token!.id}`, session),
      await load.send('refresh', 'POST', '/oauth/token', {}, new URLSearchParams(grant)),
    ];
    network.speak();

    // 503 without Retry-After.
    const unknown = { status: 503, isRepeatable: false };
    expect(answers.map(({ status, isRepeatable }) => ({ status, isRepeatable }))).toEqual([unknown, unknown, unknown]);
  }, 60_000);

  it.each(rounds)(
    'reads from a standby that is not promoted yet, and answers changes with 503: round %s',
    async () => {
      const session = { 'x-session-user': await newUser(scene) };
      const { body } = await scene.load.send('create', 'POST', '/api/tokens', session, TOKEN);
      const headers = { authorization: `Bearer ${body.rawToken!}` };
      let [moved, promoted] = [Infinity, Infinity];
      const report = await scene.suffer(
        'reads from the standby',
        async () => {
          await primary.stop('kill');
          scene.moveTo(standby);
          moved = performance.now();
          await eventually(async () => (await scene.load.send('read', 'GET', '/me', headers)).status === 200);
          return async () => {
            promoted = performance.now();
            await standby.promote();
          };
        },
        1,
        3 * SECOND,
      );
      const meanwhile = scene.load.served.filter(({ start, end }) => start > moved && end < promoted);
      // A repetition of a change that the standby has is a read, too.
      const isReplay = ({ isRepetition, status }: Served) => isRepetition && status === 201;
      const changes = meanwhile.filter((each) => !READS.includes(each.action) && !isReplay(each));

      record('both adapters', report);
      expect(report.violations).toEqual([]);
      expect([...new Set(changes.map(({ status }) => status))]).toEqual([503]);
    },
    60_000,
  );
});

async function newUser({ adminUrl }: FaultScene): Promise<string> {
  const id = randomUUID();
  await onDatabase(adminUrl, (client) => client.query(`INSERT INTO users (id, email) VALUES ($1, 'a@b.c')`, [id]));
  return id;
}
