import { setTimeout as delay } from 'node:timers/promises';
import { SigraError, sigraMigrations } from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import { Standbys } from '../../libs/sigra/src/persistence/standbys.js';
import { onDatabase } from './database.js';
import { DatabaseProxy } from './database-proxy.js';
import { eventually } from './eventually.js';
import { USERS } from './migrated-database.js';
import { PostgresCluster } from './postgres-cluster.js';
import { JWT } from './jwt-app.js';
import { startTestApp, type TestApp } from './test-app.js';

/** Long enough for a machine that is busy. */
export const LEASE_MS = 1000;
const OPTIONS = { lookupTimeout: 10_000, jwt: { ...JWT, check: 'family' } } as const;

/** A primary with a standby, nodes that read the standby, and another node that revokes. */
export class ReplicatedScene {
  private constructor(
    readonly primary: PostgresCluster,
    readonly standby: PostgresCluster,
    /** Between the two servers. */
    readonly replication: DatabaseProxy,
    readonly writer: TestApp,
    private readonly leaseMilliseconds: number,
  ) {}

  static async start(leaseMilliseconds = LEASE_MS): Promise<ReplicatedScene> {
    const primary = await PostgresCluster.start();
    const dataSource = new DataSource({ type: 'postgres', url: primary.url, migrations: sigraMigrations });
    await dataSource.initialize();
    await dataSource.runMigrations();
    await dataSource.query(USERS);
    await dataSource.destroy();
    const replication = await DatabaseProxy.start(primary.url);
    const standby = await PostgresCluster.replicaOf(primary, replication.url);
    const writer = await startTestApp({
      databaseUrl: primary.url,
      sigra: { ...OPTIONS, replicas: { leaseMilliseconds } },
    });
    return new ReplicatedScene(primary, standby, replication, writer, leaseMilliseconds);
  }

  /** Starts a node that reads standbys. */
  reader(urls: readonly string[] = [this.standby.url], primaryUrl = this.primary.url): Promise<TestApp> {
    return startTestApp({
      databaseUrl: primaryUrl,
      sigra: { ...OPTIONS, replicas: { urls, leaseMilliseconds: this.leaseMilliseconds } },
    });
  }

  async createToken(): Promise<{ rawToken: string; id: string }> {
    const { rawToken, token } = await this.writer.tokens.create(this.writer.user, {
      name: 'CI',
      scopes: ['read:notes'],
    });
    return { rawToken, id: token.id };
  }

  /** Stops or continues the replay of the standby. */
  async replay(verb: 'pause' | 'resume'): Promise<void> {
    await onDatabase(this.standby.url, (client) => client.query(`SELECT pg_wal_replay_${verb}()`));
  }

  async close(): Promise<void> {
    await this.writer.app.close();
    await this.replication.stop();
    await this.standby.dispose();
    await this.primary.dispose();
  }
}

/** Whether a node accepts a token. An outage is neither. */
export async function accepts({ tokens }: TestApp, rawToken: string): Promise<boolean> {
  try {
    await tokens.verify(rawToken);
    return true;
  } catch (error) {
    if (error instanceof SigraError && error.code === 'token_revoked') return false;
    throw error;
  }
}

/** Whether a node would ask a standby for the next request. */
export function usesStandby({ app }: TestApp): boolean {
  return app.get(Standbys).isLikely();
}

/** Waits until a node uses a standby. */
export async function untilUsed(reader: TestApp): Promise<void> {
  await eventually(() => usesStandby(reader));
}

/** Waits for so many leases, while the node has reads. */
export async function duringLeases(reader: TestApp, count: number): Promise<boolean> {
  let isUsed = false;
  const end = performance.now() + count * LEASE_MS;
  while (performance.now() < end) {
    isUsed ||= usesStandby(reader);
    await delay(LEASE_MS / 20);
  }
  return isUsed;
}
