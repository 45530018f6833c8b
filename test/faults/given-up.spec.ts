import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { SigraError, SigraJwtService, type TokenPair } from 'nestjs-sigra';
import { DataSource, type EntitySubscriberInterface, EventSubscriber } from 'typeorm';
import { eventually } from '../support/eventually.js';
import { type FaultyApp, startFaultyApp } from '../support/faulty-app.js';
import { JWT } from '../support/jwt-app.js';
import { refusalOf } from '../support/refusal.js';
import { onDatabase } from '../support/database.js';
import { User } from '../support/test-app.js';

const POOL = 3;
const SESSION = 'x-session-user';

/** Repeats a call that is unavailable, as on a slow machine: nothing has changed then. */
async function retried<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof SigraError) || error.code !== 'unavailable') throw error;
    }
  }
}

/** Runs `act` while a table is locked. */
async function whileLocked(dataSource: DataSource, table: string, mode: string, act: () => Promise<void>) {
  const runner = dataSource.createQueryRunner();
  await runner.startTransaction();
  await runner.query(`LOCK TABLE ${table} IN ${mode} MODE`);
  try {
    await act();
  } finally {
    await runner.rollbackTransaction();
    await runner.release();
  }
}

describe('A statement that is given up', () => {
  let test: FaultyApp;
  let headers: Record<string, string>;

  beforeAll(async () => {
    test = await startFaultyApp('fastify', {
      typeOrm: { poolSize: POOL, applicationName: 'given-up' },
      sigra: { lookupTimeout: 500, jwt: { ...JWT, enabled: true } },
    });
    headers = { [SESSION]: test.sound.user.id, 'content-type': 'application/json' };
  });
  afterEach(() => test.proxy.speak());
  afterAll(() => test.close());

  const request = async (method: string, path: string, body?: object) =>
    (await fetch(test.host.url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) })).status;
  const create = () => request('POST', '/api/tokens', { name: 'CI', scopes: ['read:notes'] });
  const backends = (condition = 'true') =>
    onDatabase(test.sound.databaseUrl, async (client) => {
      const { rows } = await client.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'given-up' AND ${condition}`,
      );
      return rows[0]!.count;
    });

  it('ends on the server, and no caller uses more connections than the pool has', async () => {
    await whileLocked(test.sound.dataSource, 'sigra_api_tokens', 'ACCESS EXCLUSIVE', async () => {
      const most: number[] = [];
      for (let wave = 0; wave < 3; wave++) {
        const statuses = Promise.all([
          ...Array.from({ length: 8 }, create),
          ...Array.from({ length: 8 }, () => request('GET', '/api/tokens')),
        ]);
        most.push(await backends());
        expect(new Set(await statuses)).toEqual(new Set([503]));
        most.push(await backends());
      }
      await eventually(async () => (await backends(`wait_event_type = 'Lock'`)) === 0);

      expect(Math.max(...most)).toBeLessThanOrEqual(POOL);
    });

    expect(await create()).toBe(201);
  });

  it('ends on the server, also when it arrives there after the first cancel request', async () => {
    await whileLocked(test.sound.dataSource, 'sigra_api_tokens', 'ACCESS EXCLUSIVE', async () => {
      let arrived = false;
      test.proxy.before('"sigra_api_tokens"', async () => {
        await delay(700);
        arrived = true;
      });

      expect(await request('GET', '/api/tokens')).toBe(503);
      await eventually(() => arrived);
      // Long enough to wait for the lock, if nothing cancels it.
      await delay(500);

      await eventually(async () => (await backends(`wait_event_type = 'Lock'`)) === 0);
    });
  });

  it('leaves requests that do not need the locked table alone', async () => {
    await whileLocked(test.sound.dataSource, 'sigra_refresh_families', 'ACCESS EXCLUSIVE', async () => {
      const jwt = test.host.app.get(SigraJwtService);
      const slow = Array.from({ length: POOL }, () => refusalOf(jwt.generateTokens(test.sound.user, ['read:notes'])));

      await Promise.all(slow);
      // A busy machine can need several tries, but not one works while the statements above hold all connections.
      const answered = Array.from({ length: 20 }, () =>
        eventually(async () => (await request('GET', '/api/tokens')) === 200),
      );

      await expect(Promise.all(answered)).resolves.toHaveLength(20);
    });
  });

  it('does not happen later: a refresh that was answered with 503 has not used the token', async () => {
    const jwt = test.host.app.get(SigraJwtService);
    const pairs: TokenPair[] = [];
    for (let count = 0; count < 20; count++) {
      pairs.push(await retried(() => jwt.generateTokens(test.sound.user, ['read:notes'])));
    }

    await whileLocked(test.sound.dataSource, 'sigra_audit_events', 'SHARE', async () => {
      const refusals = await Promise.all(pairs.map(({ refreshToken }) => refusalOf(jwt.refresh(refreshToken))));
      expect(new Set(refusals)).toEqual(new Set(['unavailable']));
    });
    await eventually(async () => (await backends(`state <> 'idle'`)) === 0);

    for (const { refreshToken } of pairs) {
      expect(await retried(() => jwt.refresh(refreshToken))).toMatchObject({ tokenType: 'Bearer' });
    }
  });

  it('releases its locks when its connection falls silent', async () => {
    const { rawToken, token } = await test.sound.tokens.create(test.sound.user, { name: 'CI', scopes: ['read:notes'] });
    // The row is locked, and the next statement never arrives.
    const reached = test.proxy.silenceAt('SET revoked_at');
    const stranded = request('DELETE', `/api/tokens/${token.id}`, {});
    await reached;

    const revoked = await test.sound.tokens.revoke(token.id);

    expect(await stranded).toBe(503);
    expect(revoked.revokedAt).toBeInstanceOf(Date);
    expect(await refusalOf(test.sound.tokens.verify(rawToken))).toBe('token_revoked');
  });

  it('is cancelled also with a query_timeout of the driver, whose pool of one connection serves the next caller', async () => {
    const single = await startFaultyApp('fastify', {
      typeOrm: { poolSize: 1, applicationName: 'read-timeout', extra: { query_timeout: 1000 } },
      sigra: { lookupTimeout: 2000 },
    });
    const url = `${single.host.url}/api/tokens`;
    const own = { [SESSION]: single.sound.user.id };
    await whileLocked(single.sound.dataSource, 'sigra_api_tokens', 'ACCESS EXCLUSIVE', async () => {
      expect((await fetch(url, { headers: own })).status).toBe(503);

      const waiting = await onDatabase(single.sound.databaseUrl, (client) =>
        client.query(
          `SELECT FROM pg_stat_activity WHERE application_name = 'read-timeout' AND wait_event_type = 'Lock'`,
        ),
      );
      expect(waiting.rows).toEqual([]);
    });
    const { status } = await fetch(url, { headers: own });
    const other = single.host.app.get(DataSource).query('SELECT pg_sleep(2)');
    const timeout = await other.then(
      () => false,
      (error: unknown) => /read timeout/i.test(String(error)),
    );
    await single.close();

    expect(status).toBe(200);
    // The statements of the application have it as before.
    expect(timeout).toBe(true);
  });

  it('can take longer than a query_timeout of the driver', async () => {
    const single = await startFaultyApp('fastify', {
      typeOrm: { poolSize: 1, applicationName: 'read-timeout', extra: { query_timeout: 1000 } },
      sigra: { lookupTimeout: 60_000 },
    });
    let answer: Promise<Response> | undefined;
    await whileLocked(single.sound.dataSource, 'sigra_api_tokens', 'ACCESS EXCLUSIVE', async () => {
      answer = fetch(`${single.host.url}/api/tokens`, { headers: { [SESSION]: single.sound.user.id } });
      await eventually(() =>
        onDatabase(single.sound.databaseUrl, async (client) => {
          const { rows } = await client.query(
            `SELECT FROM pg_stat_activity WHERE application_name = 'read-timeout' AND wait_event_type = 'Lock'
             AND clock_timestamp() > query_start + interval '1500 ms'`,
          );
          return rows.length > 0;
        }),
      );
    });

    const { status } = (await answer)!;
    await single.close();

    expect(status).toBe(200);
  });

  it('does not keep its connection when code of the application hangs in it', async () => {
    let hangs = true;
    @EventSubscriber()
    class Hanging implements EntitySubscriberInterface<User> {
      listenTo = () => User;
      afterLoad = () => (hangs ? new Promise<void>(() => undefined) : undefined);
    }
    const single = await startFaultyApp('fastify', {
      typeOrm: { poolSize: 1, subscribers: [Hanging] },
      sigra: { lookupTimeout: 500 },
    });
    const read = async () =>
      (await fetch(`${single.host.url}/api/tokens`, { headers: { [SESSION]: single.sound.user.id } })).status;

    const first = await read();
    hangs = false;
    await eventually(async () => (await read()) === 200);
    await single.close();

    expect(first).toBe(503);
  });

  it('is not a statement of others: a pool of one connection serves the next caller', async () => {
    const single = await startFaultyApp('fastify', { typeOrm: { poolSize: 1 }, sigra: { lookupTimeout: 300 } });
    const url = `${single.host.url}/api/tokens`;
    const own = { [SESSION]: single.sound.user.id };
    await whileLocked(single.sound.dataSource, 'sigra_api_tokens', 'ACCESS EXCLUSIVE', async () => {
      expect((await fetch(url, { headers: own })).status).toBe(503);
    });

    const statuses: number[] = [];
    for (let request = 0; request < 20; request++) statuses.push((await fetch(url, { headers: own })).status);
    await single.close();

    expect(new Set(statuses)).toEqual(new Set([200]));
  });
});
