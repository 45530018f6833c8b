import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { describeFaults, type Faults } from '../support/describe-faults.js';
import type { Fault, FaultScene } from '../support/fault-scene.js';

const SECOND = 1000;
/** Locks all tables. Transactions that lock them in another order can make it the victim of a deadlock: then it tries again. */
async function lockAll(client: pg.Client): Promise<void> {
  for (;;) {
    await client.query('BEGIN');
    try {
      for (const table of TABLES) await client.query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
      return;
    } catch (error) {
      await client.query('ROLLBACK');
      if ((error as { code?: string }).code !== '40P01') throw error;
    }
  }
}

const TABLES = [
  'sigra_api_tokens',
  'sigra_audit_events',
  'sigra_idempotency_keys',
  'sigra_owners',
  'sigra_refresh_families',
  'sigra_refresh_tokens',
  'users',
];

/** Repeats something until the fault ends. */
function repeatedly(milliseconds: number, act: (client: pg.Client, scene: FaultScene) => Promise<unknown>): Fault {
  return async (scene) => {
    const client = new pg.Client(scene.cluster.url);
    await client.connect();
    const stop = new AbortController();
    const done = (async () => {
      while (!stop.signal.aborted) {
        await act(client, scene);
        await delay(milliseconds);
      }
    })();
    return async () => {
      stop.abort();
      await done;
      await client.end();
    };
  };
}

const stopped =
  (mode: 'fast' | 'immediate' | 'kill'): Fault =>
  async ({ cluster }) => {
    await cluster.stop(mode);
    return () => cluster.startAgain();
  };

const FAULTS: Faults = {
  'stopped fast': [stopped('fast'), 2 * SECOND],
  'stopped immediately': [stopped('immediate'), 2 * SECOND],
  killed: [stopped('kill'), 2 * SECOND],
  restarted: [stopped('fast'), 0],
  'frozen for ten seconds': [({ cluster }) => cluster.freeze(), 10 * SECOND],
  'out of connections': [
    async (scene) => {
      const greedy: pg.Client[] = [];
      const stop = new AbortController();
      // Takes every connection that becomes free, and ends those of the application.
      const done = scene.admin(async (admin) => {
        while (!stop.signal.aborted) {
          await scene.terminateBackends(admin);
          const client = new pg.Client(scene.proxy.targetUrl);
          client.on('error', () => undefined);
          await client.connect().then(
            () => greedy.push(client),
            () => undefined,
          );
        }
      });
      return async () => {
        stop.abort();
        await done;
        await Promise.all(greedy.map((client) => client.end().catch(() => undefined)));
      };
    },
    3 * SECOND,
  ],
  'read-only': [
    async (scene) => {
      const set = (value: string) =>
        scene.admin(async (client) => {
          await client.query(`ALTER SYSTEM SET default_transaction_read_only = ${value}`);
          await client.query('SELECT pg_reload_conf()');
        });
      await set('on');
      // The setting counts for this session, too.
      return () =>
        scene.admin(async (client) => {
          await client.query('SET default_transaction_read_only = off');
          await client.query('ALTER SYSTEM RESET default_transaction_read_only');
          await client.query('SELECT pg_reload_conf()');
        });
    },
    3 * SECOND,
  ],
  'with locked tables': [
    async (scene) => {
      const client = new pg.Client(scene.adminUrl);
      await client.connect();
      await lockAll(client);
      return async () => {
        await client.query('ROLLBACK');
        await client.end();
      };
    },
    4 * SECOND,
  ],
  'with a lock for an index': [
    async (scene) => {
      const client = new pg.Client(scene.adminUrl);
      await client.connect();
      await client.query('BEGIN');
      await client.query('LOCK TABLE sigra_audit_events IN SHARE MODE');
      return async () => {
        await client.query('ROLLBACK');
        await client.end();
      };
    },
    4 * SECOND,
  ],
  'with terminated backends every 50 ms': [
    repeatedly(50, (client, scene) => scene.terminateBackends(client)),
    3 * SECOND,
  ],
  'with cancelled statements every 20 ms': [
    repeatedly(20, (client) =>
      client.query(`SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = 'host'`),
    ),
    3 * SECOND,
  ],
  'with sessions that may not be idle in a transaction': [
    async (scene) => {
      const alter = (change: string) =>
        scene.admin(async (client) => {
          await client.query(`ALTER ROLE host ${change}`);
          await scene.terminateBackends(client);
        });
      await alter('SET idle_in_transaction_session_timeout = 1');
      return () => alter('RESET idle_in_transaction_session_timeout');
    },
    3 * SECOND,
  ],
  renamed: [
    async (scene) => {
      const rename = (from: string, to: string) =>
        scene.admin(async (client) => {
          for (;;) {
            await scene.terminateBackends(client);
            const renamed = await client.query(`ALTER DATABASE ${from} RENAME TO ${to}`).catch(() => undefined);
            if (renamed) return;
          }
        });
      await rename(scene.database, 'elsewhere');
      return () => rename('elsewhere', scene.database);
    },
    2 * SECOND,
  ],
  'with another password': [
    async (scene) => {
      const set = (password: string) =>
        scene.admin(async (client) => {
          await client.query(`ALTER ROLE host PASSWORD '${password}'`);
          await scene.terminateBackends(client);
        });
      await set('another');
      return () => set(scene.password);
    },
    2 * SECOND,
  ],
};

describeFaults('With PostgreSQL, under load', '%s: good credentials get 2xx or 503, and nothing is lost', FAULTS);
