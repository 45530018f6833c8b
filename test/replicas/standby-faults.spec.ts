import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { CredentialService } from 'nestjs-sigra';
import { PgBouncer } from '../../tools/pg-bouncer/src/pg-bouncer.js';
import { onDatabase } from '../support/database.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { PostgresCluster } from '../support/postgres-cluster.js';
import {
  accepts,
  duringLeases,
  LEASE_MS,
  ReplicatedScene,
  untilUsed,
  usesStandby,
} from '../support/replicated-scene.js';
import type { TestApp } from '../support/test-app.js';

type Fault = (standby: PostgresCluster, network: DatabaseProxy) => Promise<(() => void) | undefined>;

const FAULTS: readonly (readonly [name: string, fault: Fault])[] = [
  ['stops replaying', (standby) => onServer(standby, 'SELECT pg_wal_replay_pause()')],
  ['is killed', (standby) => standby.stop('kill').then(() => undefined)],
  ['is frozen', (standby) => standby.freeze()],
  ['is promoted', (standby) => standby.promote().then(() => undefined)],
  [
    'is cut off from the primary',
    (_standby, network) => {
      network.silence();
      return Promise.resolve(undefined);
    },
  ],
];

describe('A node with replicas', () => {
  let scene: ReplicatedScene;
  /** Between the two servers. */
  let network: DatabaseProxy;
  let standby: PostgresCluster;
  let reader: TestApp | undefined;

  beforeAll(async () => {
    scene = await ReplicatedScene.start();
  }, 120_000);
  afterAll(() => scene.close(), 60_000);
  beforeEach(async () => {
    network = await DatabaseProxy.start(scene.primary.url);
    standby = await PostgresCluster.replicaOf(scene.primary, network.url);
  }, 60_000);
  afterEach(async () => {
    await reader?.app.close();
    reader = undefined;
    await network.stop();
    await standby.dispose();
  }, 60_000);

  it.each(FAULTS)(
    'leaves a standby that %s, refuses what is revoked then, and accepts the rest',
    async (_name, fault) => {
      reader = await scene.reader([standby.url]);
      const [kept, revoked] = [await scene.createToken(), await scene.createToken()];
      await untilUsed(reader);

      const repair = await fault(standby, network);
      try {
        await scene.writer.tokens.revoke(revoked.id);
        const answers = [await accepts(reader, revoked.rawToken), await accepts(reader, kept.rawToken)];
        await duringLeases(reader, 1);

        expect(answers).toEqual([false, true]);
        expect(usesStandby(reader)).toBe(false);
      } finally {
        repair?.();
      }
    },
    120_000,
  );

  it('boots while its standby is down, and uses it when it comes', async () => {
    await standby.stop('fast');
    const { rawToken } = await scene.createToken();

    reader = await scene.reader([standby.url]);
    const isAccepted = await accepts(reader, rawToken);
    await standby.startAgain();

    expect(isAccepted).toBe(true);
    await untilUsed(reader);
  }, 120_000);

  it('does not use a standby that is delayed, as long as it lacks a commit', async () => {
    await standby.dispose();
    standby = await PostgresCluster.replicaOf(scene.primary, network.url, { recovery_min_apply_delay: '1h' });
    await scene.createToken();
    reader = await scene.reader([standby.url]);

    const { rawToken, id } = await scene.createToken();
    await scene.writer.tokens.revoke(id);

    expect(await accepts(reader, rawToken)).toBe(false);
    expect(await duringLeases(reader, 3)).toBe(false);
  }, 120_000);

  it('reads the primary while a standby ends each connection in the moment that it is ready', async () => {
    const link = await DatabaseProxy.start(standby.url);
    try {
      reader = await scene.reader([link.url]);
      const { rawToken } = await scene.createToken();
      await untilUsed(reader);
      await link.cut();
      link.failNewConnections();
      await link.mend();

      const end = performance.now() + 3 * LEASE_MS;
      while (performance.now() < end) expect(await accepts(reader, rawToken)).toBe(true);

      link.speak();
      await untilUsed(reader);
    } finally {
      await link.stop();
    }
  }, 120_000);

  it('uses a standby through PgBouncer, and refuses what is revoked', async () => {
    const pooler = await PgBouncer.start(standby.url);
    try {
      reader = await scene.reader([pooler.url]);
      const { rawToken, id } = await scene.createToken();
      await untilUsed(reader);
      expect(await accepts(reader, rawToken)).toBe(true);
      await untilUsed(reader);

      await onServer(standby, 'SELECT pg_wal_replay_pause()');
      await scene.writer.tokens.revoke(id);

      expect(await accepts(reader, rawToken)).toBe(false);
    } finally {
      await pooler.stop();
    }
  }, 120_000);

  it('refuses what is revoked, also when a balancer moves its connections to a standby that lacks the revocation', async () => {
    const behind = await PostgresCluster.replicaOf(scene.primary);
    const balancer = await DatabaseProxy.start(standby.url);
    try {
      reader = await scene.reader([balancer.url]);
      const { rawToken, id } = await scene.createToken();
      await scene.writer.get(CredentialService).settled();
      await untilUsed(reader);
      await onServer(behind, 'SELECT pg_wal_replay_pause()');
      await scene.writer.tokens.revoke(id);
      await untilUsed(reader);

      balancer.redirect(behind.url);
      await onServer(
        standby,
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`,
      );
      const isUsed = usesStandby(reader);
      const isAccepted = await accepts(reader, rawToken);

      expect({ isUsed, isAccepted }).toEqual({ isUsed: true, isAccepted: false });
    } finally {
      await balancer.stop();
      await behind.dispose();
    }
  }, 120_000);

  it('does not use a standby that is ahead on the timeline from before a promotion', async () => {
    const other = await PostgresCluster.replicaOf(scene.primary);
    try {
      await standby.promote();
      // Far ahead of the server that was promoted.
      for (let segment = 0; segment < 3; segment++) {
        await onServer(scene.primary, `SELECT pg_logical_emit_message(false, 'sigra', 'x'), pg_switch_wal()`);
      }
      reader = await scene.reader([other.url], standby.url);

      expect(await duringLeases(reader, 3)).toBe(false);
    } finally {
      await other.dispose();
    }
  }, 120_000);

  it('does not use a standby of another primary, or another database of its own', async () => {
    const stranger = await ReplicatedScene.start();
    try {
      for (let segment = 0; segment < 3; segment++) {
        await onServer(stranger.primary, `SELECT pg_logical_emit_message(false, 'sigra', 'x'), pg_switch_wal()`);
      }
      const template = Object.assign(new URL(standby.url), { pathname: 'template1' }).href;
      reader = await scene.reader([stranger.standby.url, template]);

      expect(await duringLeases(reader, 3)).toBe(false);
    } finally {
      await stranger.close();
    }
  }, 120_000);

  it('uses a standby with a role that can read, once it has pg_read_all_stats', async () => {
    await onServer(scene.primary, `CREATE ROLE reader LOGIN PASSWORD 'reader'`);
    await onServer(scene.primary, 'GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader');
    const url = Object.assign(new URL(standby.url), { username: 'reader', password: 'reader' }).href;
    const { rawToken } = await scene.createToken();
    reader = await scene.reader([url]);

    expect(await duringLeases(reader, 3)).toBe(false);

    await onServer(scene.primary, 'GRANT pg_read_all_stats TO reader');
    await untilUsed(reader);
    expect(await accepts(reader, rawToken)).toBe(true);
    expect(usesStandby(reader)).toBe(true);
  }, 120_000);

  it('leaves a standby from whose role row-level security begins to hide owners', async () => {
    const grant = 'GRANT SELECT ON ALL TABLES IN SCHEMA public TO limited';
    await onServer(scene.primary, `CREATE ROLE limited LOGIN PASSWORD 'limited' IN ROLE pg_read_all_stats; ${grant}`);
    reader = await scene.reader([
      Object.assign(new URL(standby.url), { username: 'limited', password: 'limited' }).href,
    ]);
    await untilUsed(reader);

    await onServer(scene.primary, 'ALTER TABLE sigra_owners ENABLE ROW LEVEL SECURITY');

    try {
      await duringLeases(reader, 2);
      expect(await duringLeases(reader, 3)).toBe(false);
    } finally {
      await onServer(scene.primary, 'ALTER TABLE sigra_owners DISABLE ROW LEVEL SECURITY');
    }
  }, 120_000);

  it('does not use a standby whose role has another isolation level', async () => {
    const url = new URL(standby.url);
    url.searchParams.set('options', '-c default_transaction_isolation=repeatable\\ read');
    reader = await scene.reader([url.href]);

    expect(await duringLeases(reader, 3)).toBe(false);
  }, 120_000);
});

async function onServer({ url }: PostgresCluster, sql: string): Promise<undefined> {
  await onDatabase(url, (client) => client.query(sql));
  return undefined;
}
