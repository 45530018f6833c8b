import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { sigraMigrations } from 'nestjs-sigra';
import type pg from 'pg';
import { DataSource } from 'typeorm';
import { PgBouncer } from '../../tools/pg-bouncer/src/pg-bouncer.js';
import { CredentialLoad, IDLE_MS, type Served } from './credential-load.js';
import { onDatabase } from './database.js';
import { DatabaseProxy } from './database-proxy.js';
import { eventually } from './eventually.js';
import { contradictions } from './invariants.js';
import { JWT } from './jwt-app.js';
import { PostgresCluster } from './postgres-cluster.js';
import { rounds } from './rounds.js';
import { type Holdings, ServerNode, type ServerNodeSetup } from './server-node.js';
import { USERS } from './migrated-database.js';
import type { Adapter } from './test-app.js';

/** `SIGRA_ROUNDS=10 npm run test:faults` repeats each fault. */
export const ROUNDS = rounds(1);

const LOOKUP_TIMEOUT = 2000;
const POOL = 10;
const CLIENTS = 32;
const DATABASE = 'faults';
const PASSWORD = 'first-password';
/** Before each fault and after it. */
const CALM_MS = 400;

/** A fault that begins. @returns ends it */
export type Fault = (scene: FaultScene) => Promise<() => Promise<void> | void>;

/** What differs from one application that is connected through a {@link DatabaseProxy}. */
export interface SceneSetup {
  /** Whether the nodes are connected through PgBouncer. */
  readonly pooled?: boolean;
  /** @default 32 */
  readonly clients?: number;
  /** Options of every node. */
  readonly node?: Partial<ServerNodeSetup>;
}

/** Errors of the connections that a fault may cost the clients: the outcome is unknown then, and no violation. */
export type LostAnswers = readonly ('ECONNREFUSED' | 'ECONNRESET' | 'EPIPE')[];

/** What a fault did to the clients of an application. */
export interface FaultReport {
  readonly fault: string;
  readonly rounds: number;
  /** Answers by status, during the faults and after them. */
  readonly during: Readonly<Record<string, number>>;
  readonly after: Readonly<Record<string, number>>;
  /** The longest answer, in milliseconds. */
  readonly longest: number;
  /** From the end of the fault to the last answer that was not 2xx as it should be, in milliseconds: the longest one. */
  readonly recovery: number;
  /** The most connections that the application had at the server. */
  readonly backends: number;
  readonly unknown: number;
  readonly violations: readonly string[];
  readonly before: Holdings;
  readonly afterwards: Holdings;
}

/** A server, applications on it in processes of their own, and clients that use and change their credentials. */
export class FaultScene {
  private constructor(
    public cluster: PostgresCluster,
    readonly proxy: DatabaseProxy,
    readonly pooler: PgBouncer | undefined,
    private readonly setups: readonly ServerNodeSetup[],
    readonly nodes: ServerNode[],
    readonly load: CredentialLoad,
  ) {}

  /**
   * @param adapters one for each node
   * @param parent the folder of the cluster
   */
  static async start(
    adapters: readonly Adapter[],
    parent?: string,
    { pooled = false, clients = CLIENTS, node = {} }: SceneSetup = {},
  ): Promise<FaultScene> {
    // The server has room for the connections of a node that was killed, and of the one that replaces it.
    const max_connections = String(20 + 2 * POOL * adapters.length);
    const cluster = await PostgresCluster.start({ max_connections }, parent);
    await onDatabase(cluster.url, async (client) => {
      await client.query(`CREATE ROLE host LOGIN PASSWORD '${PASSWORD}'`);
      await client.query(`CREATE DATABASE ${DATABASE} OWNER host`);
    });
    const url = hostUrl(cluster);
    const dataSource = await new DataSource({ type: 'postgres', url, migrations: sigraMigrations }).initialize();
    await dataSource.runMigrations();
    await dataSource.query(USERS);
    const ids = Array.from({ length: clients }, () => randomUUID());
    await dataSource.query(`INSERT INTO users (id, email) SELECT id, id::text FROM unnest($1::uuid[]) AS id`, [ids]);
    await dataSource.destroy();
    const proxy = await DatabaseProxy.start(url);
    const pooler = pooled ? await PgBouncer.start(url) : undefined;
    const setups = adapters.map((adapter) => ({
      adapter,
      databaseUrl: pooler?.url ?? proxy.url,
      lookupTimeout: LOOKUP_TIMEOUT,
      poolSize: POOL,
      jwt: { ...JWT, accessTtl: 3600, maxFamiliesPerOwner: 10_000 },
      ...node,
    }));
    const nodes = await Promise.all(setups.map((setup) => ServerNode.start(setup)));
    const load = new CredentialLoad(
      nodes.map((node) => node.url),
      ids,
    );
    return new FaultScene(cluster, proxy, pooler, setups, nodes, load);
  }

  /** The database of the application, as its superuser. */
  get adminUrl(): string {
    return Object.assign(new URL(this.cluster.url), { pathname: DATABASE }).href;
  }

  readonly poolSize = POOL;
  /** In milliseconds. */
  readonly lookupTimeout = LOOKUP_TIMEOUT;
  readonly database = DATABASE;
  readonly password = PASSWORD;

  /** Leads new connections of the application to another server, which takes the place of the first one. */
  moveTo(cluster: PostgresCluster): void {
    this.cluster = cluster;
    this.proxy.redirect(hostUrl(cluster));
  }

  /** A connection of the superuser to another database, which the fault may not touch. */
  async admin<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    return onDatabase(this.cluster.url, work);
  }

  /** Terminates the connections of the application. */
  terminateBackends(client: pg.Client): Promise<unknown> {
    return client.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'host'`);
  }

  /**
   * Ends a node. As soon as it has ended, the clients use only the others.
   *
   * @returns starts another one in its place
   */
  async takeOut(index: number, end: (node: ServerNode) => Promise<void>): Promise<() => Promise<void>> {
    const node = this.nodes[index]!;
    await end(node);
    this.load.violations.push(...node.unanswered.map((path) => `${path} was accepted and not answered`));
    this.load.urls = this.load.urls.filter((url) => url !== node.url);
    return async () => {
      const next = await ServerNode.start(this.setups[index]!);
      this.nodes[index] = next;
      this.load.urls = [...this.load.urls, next.url];
    };
  }

  /** Runs a fault under load, several times, and checks everything afterwards. */
  async suffer(
    name: string,
    fault: Fault,
    rounds: number,
    milliseconds: number,
    lost: LostAnswers = [],
  ): Promise<FaultReport> {
    const { load } = this;
    const since = load.served.length;
    const violated = load.violations.length;
    load.start();
    await delay(CALM_MS);
    const before = await this.holdings();
    const windows: { readonly start: number; readonly end: number }[] = [];
    let backends = 0;
    try {
      for (let round = 0; round < rounds; round++) {
        const start = performance.now();
        const end = await fault(this);
        await delay(milliseconds);
        await end();
        windows.push({ start, end: performance.now() });
        await this.recovered(windows.at(-1)!.end);
        backends = Math.max(backends, await this.countBackends());
        await delay(CALM_MS);
      }
    } finally {
      // Also after a fault that fails: the load would disturb the next one.
      await load.stop();
    }
    const served = load.served.slice(since);
    await load.checkAll();
    const violations = [
      ...load.violations.slice(violated),
      ...served
        .filter(({ status, code }) => status === 0 && !lost.some((each) => each === code))
        .map(({ action, code }) => `${action} got no answer: ${code ?? ''}`),
      ...(await contradictions(this.adminUrl, load.acknowledged)),
    ];
    const isDuring = ({ end }: Served) => windows.some((window) => window.start < end && end < window.end);
    const lastBad = ({ end }: { end: number }, next = Infinity) =>
      largest([
        end,
        ...served.filter((each) => isFailure(each) && each.end > end && each.end < next).map((each) => each.end),
      ]) - end;
    return {
      fault: name,
      rounds,
      during: byStatus(served.filter(isDuring)),
      after: byStatus(served.filter((each) => !isDuring(each))),
      longest: Math.round(largest(served.map(({ start, end }) => end - start))),
      recovery: Math.round(Math.max(...windows.map((window, index) => lastBad(window, windows[index + 1]?.start)))),
      backends,
      unknown: served.filter((each) => isFailure(each) && !each.isRepeatable).length,
      violations: [...new Set(violations)].slice(0, 20),
      before,
      afterwards: await this.holdingsAtRest(),
    };
  }

  async close(): Promise<void> {
    await this.load.stop();
    this.load.close();
    await Promise.all(this.nodes.map((node) => node.stop()));
    await this.proxy.stop();
    await this.pooler?.stop();
    await this.cluster.dispose();
  }

  private async holdings(): Promise<Holdings> {
    const all = await Promise.all(this.nodes.map((node) => node.holdings()));
    const sum = (key: keyof Holdings) => all.reduce((total, each) => total + each[key], 0);
    const longestTurn = Math.max(...all.map((each) => each.longestTurn));
    return { heap: sum('heap'), timers: sum('timers'), sockets: sum('sockets'), longestTurn };
  }

  /** When the clients have closed their idle connections. */
  private async holdingsAtRest(): Promise<Holdings> {
    await delay(IDLE_MS + CALM_MS);
    return this.holdings();
  }

  /** Waits until every client has been served again. */
  private async recovered(since: number): Promise<void> {
    const { clients } = this.load;
    await eventually(() => {
      const later = this.load.served.filter(({ start }) => start > since);
      return later.length > 2 * clients && later.slice(-clients).every((each) => !isFailure(each));
    });
  }

  private countBackends(): Promise<number> {
    return this.admin(async (client) => {
      const { rows } = await client.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM pg_stat_activity WHERE usename = 'host'`,
      );
      return rows[0]!.count;
    });
  }
}

/** The URL of the application's database. */
function hostUrl({ url }: PostgresCluster): string {
  return Object.assign(new URL(url), { username: 'host', password: PASSWORD, pathname: DATABASE }).href;
}

/** Whether there was no answer, or one that says that the database is unavailable. */
function isFailure({ status }: Served): boolean {
  return status === 0 || status === 503;
}

/** For any number of values: those of a long run are too many for the arguments of a function. */
function largest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), -Infinity);
}

function byStatus(served: readonly Served[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of served) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}
