import { get } from 'node:http';
import { NotFoundException } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SigraError, translateDatabaseError } from 'nestjs-sigra';
import type pg from 'pg';
import { DataSource } from 'typeorm';
import { freePort } from '../../tools/local-postgres/src/free-port.js';
import { createDatabase, onDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';

/** The error that a call rejects with. */
async function errorOf(call: () => Promise<unknown>): Promise<unknown> {
  return call().then(
    () => {
      throw new Error('the call should fail');
    },
    (error: unknown) => error,
  );
}

/** A request of another service of the application. */
function ask(url: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    get(url, resolve).on('error', reject);
  });
}

describe('translateDatabaseError', () => {
  let database: TestDatabase;
  let dataSource: DataSource;

  beforeAll(async () => {
    database = await createDatabase();
    dataSource = await new DataSource({ type: 'postgres', url: database.url }).initialize();
  });
  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  const translated = (error: unknown) => translateDatabaseError(error, dataSource);
  const codeOf = (error: unknown) => {
    const result = translated(error);
    return result === error ? 'itself' : result instanceof SigraError ? result.code : result;
  };
  const moved = (change: Partial<URL>) => Object.assign(new URL(database.url), change).href;

  /** Lets the connections of the DataSource lead to another server, as after a change of its address. */
  async function withAddress(url: string, work: () => Promise<void>): Promise<void> {
    const { master } = dataSource.driver as unknown as { master: pg.Pool & { options: pg.PoolConfig } };
    await onDatabase(database.url, (client) =>
      client.query(`SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`),
    );
    await eventually(() => master.totalCount === 0);
    Object.assign(master.options, { connectionString: url });
    await work();
    Object.assign(master.options, { connectionString: database.url });
  }

  it('makes 503 of a cancelled statement and keeps its cause', async () => {
    const error = await errorOf(() =>
      dataSource.transaction(async (manager) => {
        await manager.query('SET LOCAL statement_timeout = 20');
        await manager.query('SELECT pg_sleep(5)');
      }),
    );

    expect(translated(error)).toMatchObject({ code: 'unavailable', cause: error });
  });

  it('makes 503 of a connection that is lost between two statements', async () => {
    const error = await errorOf(() =>
      dataSource.transaction(async (manager) => {
        const [row] = await manager.query<{ pid: number }[]>('SELECT pg_backend_pid() AS pid');
        await onDatabase(database.url, (client) => client.query('SELECT pg_terminate_backend($1, 1000)', [row!.pid]));
        await new Promise((resolve) => setTimeout(resolve, 50));
        await manager.query('SELECT 1');
      }),
    );

    expect(codeOf(error)).toBe('unavailable');
  });

  it('makes 503 of a server that refuses connections, has no such database, or has an unknown name', async () => {
    for (const change of [
      { port: String(await freePort()) },
      { pathname: 'no_such_database' },
      { hostname: 'database.invalid' },
    ]) {
      const url = moved(change);
      await withAddress(url, async () => {
        expect([url, codeOf(await errorOf(() => dataSource.query('SELECT')))]).toEqual([url, 'unavailable']);
      });
    }
  });

  it('makes 503 of each address of a host that refuses connections', async () => {
    const url = moved({ hostname: 'localhost', port: String(await freePort()) });

    await withAddress(url, async () => {
      expect(codeOf(await errorOf(() => dataSource.query('SELECT')))).toBe('unavailable');
    });
  });

  it('makes 503 of a pool that does not return a connection in time, and of one that is closed', async () => {
    const small = new DataSource({
      type: 'postgres',
      url: database.url,
      extra: { max: 1, connectionTimeoutMillis: 500, query_timeout: 700 },
    });
    await small.initialize();

    const [first, second] = await Promise.all([1, 2].map(() => errorOf(() => small.query('SELECT pg_sleep(2)'))));
    const { master } = small.driver as unknown as { master: pg.Pool };
    await master.end();
    const third = await errorOf(() => small.query('SELECT'));

    for (const error of [first, second, third]) {
      expect(translateDatabaseError(error, small)).toMatchObject({ code: 'unavailable' });
    }
  });

  it.each([
    ['a statement with an error', 'SELECT no_such_column', []],
    ['a value that is invalid for its type', 'SELECT $1::int', ['seven']],
    ['a violated constraint', 'CREATE TABLE twice (id int); CREATE TABLE twice (id int)', []],
    ['a division by zero', 'SELECT 1 / 0', []],
  ])('returns the error of %s unchanged', async (_what, sql, values) => {
    expect(codeOf(await errorOf(() => dataSource.query(sql, values)))).toBe('itself');
  });

  it('returns the error of parameters that cannot be sent unchanged', async () => {
    const circular: Record<string, unknown> = {};
    circular.self = circular;

    expect(codeOf(await errorOf(() => dataSource.query('SELECT $1::jsonb', [circular])))).toBe('itself');
  });

  it.each([
    ['an HTTP error', new NotFoundException()],
    ['a defect', new TypeError('x is not a function')],
    ['an error with a code that looks like a SQLSTATE', Object.assign(new Error('Quota'), { code: '53300' })],
    ['an error with a code of the application', Object.assign(new Error('Late'), { code: 'ETIMEDOUT' })],
    ['a SigraError', new SigraError('outcome_unknown', 'Unknown.')],
    ['a message that mentions a connection', new Error('Connection terminated by the gateway')],
    ['errors of several calls', new AggregateError([new Error('one'), new Error('two')])],
    ['no errors at all', new AggregateError([])],
    ['a text', 'Connection terminated'],
    ['nothing', undefined],
  ])('returns %s unchanged', (_what, error) => {
    expect(codeOf(error)).toBe('itself');
  });

  it('returns the errors of other services unchanged', async () => {
    const closed = `127.0.0.1:${await freePort()}`;

    for (const call of [
      () => ask(`http://${closed}`),
      () => fetch(`http://${closed}`),
      () => ask('http://service.invalid'),
    ]) {
      expect(codeOf(await errorOf(call))).toBe('itself');
    }
  });
});
