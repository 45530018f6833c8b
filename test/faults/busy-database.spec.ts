import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { type FaultyApp, startFaultyApp } from '../support/faulty-app.js';

describe('Requests to a busy database', () => {
  let test: FaultyApp;
  let headers: Record<string, string>;

  beforeAll(async () => {
    test = await startFaultyApp('express', { typeOrm: { extra: { max: 3 } } as object });
    headers = { 'x-session-user': test.sound.user.id };
  });
  afterAll(() => test.close());

  const issue = () => test.sound.tokens.create(test.sound.user, { name: 'CI', scopes: ['read:notes'] });
  const send = async (method: string, path: string) => {
    const response = await fetch(test.host.url + path, { method, headers });
    return [response.status, response.headers.get('retry-after')] as const;
  };

  /** New settings of a database apply to new connections only. */
  async function reconnect(): Promise<void> {
    await test.sound.dataSource.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    while ((await send('GET', '/api/tokens'))[0] === 503);
  }

  it('are answered with 503 while the host holds all connections', async () => {
    const dataSource = test.host.app.get<DataSource>(getDataSourceToken());
    const runners = await Promise.all(
      Array.from({ length: 3 }, async () => {
        const runner = dataSource.createQueryRunner();
        await runner.connect();
        return runner;
      }),
    );

    const during = await Promise.all([send('GET', '/api/tokens'), send('DELETE', '/api/tokens')]);
    await Promise.all(runners.map((runner) => runner.release()));
    const after = await send('GET', '/api/tokens');

    expect(during).toEqual([
      [503, '1'],
      [503, '1'],
    ]);
    expect(after).toEqual([200, null]);
  });

  it('are answered with 503 while another transaction locks the token, which stays valid', async () => {
    const { rawToken, token } = await issue();
    const runner = test.sound.dataSource.createQueryRunner();
    await runner.startTransaction();
    await runner.query('SELECT 1 FROM sigra_api_tokens WHERE id = $1 FOR UPDATE', [token.id]);

    const revocation = await send('DELETE', `/api/tokens/${token.id}`);
    const rotation = await send('POST', `/api/tokens/${token.id}/rotate`);
    const read = await test.sound.tokens.verify(rawToken);
    await runner.rollbackTransaction();
    await runner.release();

    expect([revocation, rotation]).toEqual([
      [503, '1'],
      [503, '1'],
    ]);
    expect(read.id).toBe(token.id);
    expect(await send('DELETE', `/api/tokens/${token.id}`)).toEqual([204, null]);
  });

  it.each([
    ['a statement timeout', 'statement_timeout'],
    ['a lock timeout', 'lock_timeout'],
  ])('are answered with 503 after %s', async (_what, setting) => {
    const { token } = await issue();
    const [{ name }]: [{ name: string }] = await test.sound.dataSource.query('SELECT current_database() AS name');
    await test.sound.dataSource.query(`ALTER DATABASE ${name} SET ${setting} = '50ms'`);
    await reconnect();
    const runner = test.sound.dataSource.createQueryRunner();
    await runner.startTransaction();
    await runner.query('SELECT 1 FROM sigra_api_tokens WHERE id = $1 FOR UPDATE', [token.id]);

    const answers = [
      await send('DELETE', `/api/tokens/${token.id}`),
      await send('POST', `/api/tokens/${token.id}/rotate`),
      // Waits for no token: the rows are marked afterwards.
      await send('DELETE', '/api/tokens'),
    ];
    await runner.rollbackTransaction();
    await runner.release();
    await test.sound.dataSource.query(`ALTER DATABASE ${name} RESET ${setting}`);

    expect(answers).toEqual([
      [503, '1'],
      [503, '1'],
      [200, null],
    ]);
  });

  it('are answered with 503 if they write while the database is read-only', async () => {
    const { token } = await issue();
    const [{ name }]: [{ name: string }] = await test.sound.dataSource.query('SELECT current_database() AS name');
    await test.sound.dataSource.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    await reconnect();

    const answers = [await send('GET', '/api/tokens'), await send('DELETE', `/api/tokens/${token.id}`)];
    await test.sound.dataSource.query('SET default_transaction_read_only = off');
    await test.sound.dataSource.query(`ALTER DATABASE ${name} RESET default_transaction_read_only`);

    expect(answers).toEqual([
      [200, null],
      [503, '1'],
    ]);
  });
});
