import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { eventually } from '../support/eventually.js';
import { record } from '../support/fault-record.js';
import { type Fault, FaultScene, ROUNDS } from '../support/fault-scene.js';
import { SmallDisk } from '../support/small-disk.js';
import { ADAPTERS } from '../support/test-app.js';

const SECOND = 1000;
/** In bytes, of the write-ahead log. */
const LOG_FILE = 2 ** 24;
const LOG_LEFT = 2 ** 15;

/** Leaves so little space in the current file of the log that a commit of the application needs the next one. */
async function useUpLog(client: pg.Client): Promise<void> {
  await client.query(
    `SELECT pg_logical_emit_message(false, '', repeat('-', greatest(0, $1 - mod(pg_current_wal_insert_lsn() - '0/0', $2))::int))`,
    [LOG_FILE - LOG_LEFT, LOG_FILE],
  );
}

describe('With a full disk of PostgreSQL, under load', () => {
  let disk: SmallDisk;
  let scene: FaultScene;

  const serverLog = () => readFile(join(scene.cluster.dataDir, 'cluster', 'server.log'), 'utf8');
  /** Whether the server has ended, or recovers from a panic. */
  const isDown = () =>
    scene
      .admin((client) => client.query('SELECT'))
      .then(
        () => false,
        (error: unknown) => ['ECONNREFUSED', '57P03'].includes((error as { code: string }).code),
      );

  /** Keeps the disk full, and does something again and again. */
  const full =
    (act: () => Promise<unknown>): Fault =>
    async ({ cluster }) => {
      const ended = new AbortController();
      await disk.fill();
      const done = (async () => {
        while (!ended.signal.aborted) {
          await act();
          await disk.fill();
          await delay(20);
        }
      })();
      return async () => {
        ended.abort();
        await done;
        await disk.free();
        await cluster.revive();
      };
    };

  beforeAll(async () => {
    disk = await SmallDisk.mount(256);
    scene = await FaultScene.start(ADAPTERS, disk.path);
    // Otherwise the server writes into old files of its log for a long time.
    await scene.admin(async (client) => {
      await client.query('ALTER SYSTEM SET wal_recycle = off');
      await client.query('SELECT pg_reload_conf()');
    });
  }, 60_000);
  afterAll(async () => {
    await scene.close();
    await disk.unmount();
  });

  it(
    'tables that cannot grow: good credentials get 2xx or 503, and nothing is lost',
    async () => {
      const report = await scene.suffer(
        'tables cannot grow',
        full(async () => undefined),
        ROUNDS,
        4 * SECOND,
      );

      record('both adapters', report);
      expect(report.violations).toEqual([]);
      expect(await serverLog()).toContain('No space left on device');
      expect(report.during['503']).toBeGreaterThan(0);
    },
    ROUNDS * 60_000,
  );

  it(
    'the server panics and ends: good credentials get 2xx or 503, and nothing is lost',
    async () => {
      const fault: Fault = async (each) => {
        const end = await full(() => scene.admin(useUpLog).catch(() => undefined))(each);
        await eventually(isDown);
        return end;
      };

      const report = await scene.suffer('no space for the log', fault, ROUNDS, 2 * SECOND);

      record('both adapters', report);
      expect(report.violations).toEqual([]);
      expect(report.during['503']).toBeGreaterThan(0);
    },
    ROUNDS * 60_000,
  );
});
