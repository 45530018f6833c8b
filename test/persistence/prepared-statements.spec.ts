import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { DataSource, Logger as StatementLogger } from 'typeorm';
import { onEveryConnection } from '../support/every-connection.js';
import { refusalOf } from '../support/refusal.js';
import { type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { QueryLog } from '../support/query-log.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };

interface Prepared {
  readonly name: string;
  readonly statement: string;
}

/** The distinct named statements that connections have prepared. */
async function preparedBy(dataSource: DataSource): Promise<Prepared[]> {
  const rows = await onEveryConnection<Prepared>(
    dataSource,
    `SELECT name, statement FROM pg_prepared_statements WHERE name <> '' ORDER BY prepare_time`,
  );
  return [...new Map(rows.map((row) => [row.name, row])).values()];
}

describe('Prepared statements', () => {
  let warn: jest.SpiedFunction<Logger['warn']>;
  let test: TestApp;
  let rawToken: string;

  beforeEach(async () => {
    test = await startTestApp({ poolSize: 2 });
    warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    ({ rawToken } = await test.tokens.create(test.user, REQUEST));
  });
  afterEach(async () => {
    warn.mockRestore();
    await test.close();
  });

  const verify = async () => (await test.tokens.verify(rawToken)).ownerId;
  /** Verifies enough tokens at once for two queries, each on its own connection. */
  const onBothConnections = async () => {
    const issued = await Promise.all(Array.from({ length: 100 }, () => test.tokens.create(test.user, REQUEST)));
    await Promise.all(issued.map((each) => test.tokens.verify(each.rawToken)));
    return issued;
  };
  const asSession = () => fetch(`${test.url}/notes/me`, { headers: { 'x-session-user': test.user.id } });

  it('read one or many API tokens and sessions, and are named after their text', async () => {
    for (let request = 0; request < 3; request++) {
      await verify();
      await asSession();
    }
    const sources = (statements: readonly { readonly statement: string }[]) =>
      statements.map(({ statement }) => /(?:FROM (?:unnest|\(SELECT)|token_hash = \w+)/.exec(statement)?.[0]).sort();
    const one = await preparedBy(test.dataSource);
    await onBothConnections();
    const all = await preparedBy(test.dataSource);

    // Of sessions, and of the epochs for the creation of a token.
    expect(sources(one)).toEqual(['FROM (SELECT', 'FROM (SELECT', 'token_hash = decode']);
    expect(sources(all)).toContain('token_hash = ANY');
    expect(all.map(({ name }) => name)).toEqual(all.map(() => expect.stringMatching(/^sigra_[0-9a-f]{24}$/)));
    expect(warn).not.toHaveBeenCalled();
  });

  it('that a connection has lost are no longer used, and no request fails', async () => {
    const [first, second] = await onBothConnections();
    await onEveryConnection(test.dataSource, 'DEALLOCATE ALL');
    const both = () => Promise.all([first!, second!].map((each) => test.tokens.verify(each.rawToken)));

    expect(await both()).toEqual([first!.token, second!.token]);
    expect(await both()).toEqual([first!.token, second!.token]);

    expect(await preparedBy(test.dataSource)).toEqual([]);
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls[0]![0]).toMatch(/could not be used: .*does not exist.*preparedStatements: false/);
  });

  it('that a connection has lost are no longer used by concurrent requests, and none fails', async () => {
    const issued = await onBothConnections();
    await onEveryConnection(test.dataSource, 'DEALLOCATE ALL');

    const verified = await Promise.all(issued.map((each) => test.tokens.verify(each.rawToken)));

    expect(verified.map(({ id }) => id)).toEqual(issued.map(({ token }) => token.id));
    expect(warn).toHaveBeenCalledTimes(1);
  });

  it('that another client has prepared on the same connection are no longer used', async () => {
    await verify();
    const { name } = (await preparedBy(test.dataSource)).find(({ statement }) => statement.includes('token_hash'))!;
    const other = await startTestApp({ databaseUrl: test.databaseUrl, poolSize: 2 });
    warn.mockClear();
    await onEveryConnection(other.dataSource, `PREPARE ${name} AS SELECT 1`);

    const { ownerId } = await other.tokens.verify(rawToken);
    await other.close();

    expect(ownerId).toBe(test.user.id);
    expect(warn.mock.calls).toEqual([[expect.stringContaining('already exists')]]);
  });

  it('whose result type has changed are no longer used', async () => {
    await verify();
    await test.dataSource.query('ALTER TABLE users ALTER COLUMN email TYPE varchar(300)');

    expect(await verify()).toBe(test.user.id);
    expect(warn.mock.calls).toEqual([[expect.stringContaining('cached plan must not change result type')]]);
  });

  it('see tokens that are revoked and users that are disabled meanwhile', async () => {
    const second = await test.tokens.create(test.user, REQUEST);
    for (let request = 0; request < 10; request++) await verify();

    await test.tokens.revoke(second.token.id);
    const revoked = await refusalOf(test.tokens.verify(second.rawToken));
    await test.dataSource.query('UPDATE users SET disabled_at = now()');

    expect(revoked).toBe('token_revoked');
    expect(await refusalOf(verify())).toBe('invalid_token');
  });

  it('are kept when the statement itself fails', async () => {
    await verify();
    await test.dataSource.query('ALTER TABLE sigra_api_tokens RENAME TO hidden');
    const refused = await refusalOf(verify());
    await test.dataSource.query('ALTER TABLE hidden RENAME TO sigra_api_tokens');

    expect(refused).toBe('unavailable');
    expect(await verify()).toBe(test.user.id);
    expect(await preparedBy(test.dataSource)).not.toEqual([]);
    expect(warn).not.toHaveBeenCalled();
  });

  it('are logged by the DataSource, with their errors and when they are slow', async () => {
    const log = QueryLog.of(test.dataSource);
    const logger: StatementLogger = log;
    const slow = jest.spyOn(logger, 'logQuerySlow');
    const failed = jest.spyOn(logger, 'logQueryError');
    test.dataSource.setOptions({ maxQueryExecutionTime: 1 });
    const ofTokens = expect.stringContaining('FROM "public"."sigra_api_tokens"');

    const runner = test.dataSource.createQueryRunner();
    await runner.query('BEGIN; LOCK TABLE sigra_api_tokens');
    const waiting = verify();
    await runner.query('SELECT pg_sleep(0.05)');
    await runner.query('ROLLBACK');
    await runner.release();
    await waiting;
    await test.dataSource.query('ALTER TABLE sigra_api_tokens RENAME TO hidden');
    await refusalOf(verify());

    expect(log.matching(/FROM "public"."sigra_api_tokens"/).length).toBeGreaterThanOrEqual(2);
    expect(slow).toHaveBeenCalledWith(expect.any(Number), ofTokens, [expect.stringMatching(/^[0-9a-f]{64}$/)]);
    expect(failed).toHaveBeenCalledTimes(1);
    expect(failed).toHaveBeenCalledWith(expect.any(Error), ofTokens, [expect.stringMatching(/^[0-9a-f]{64}$/)]);
  });
});

describe('Prepared statements of JWTs', () => {
  let test: JwtApp;

  beforeEach(async () => {
    test = await startJwtApp();
  });
  afterEach(() => test.close());

  it('read access tokens and refresh tokens', async () => {
    const { refreshToken } = await test.jwt.generateTokens(test.user, ['read:notes']);
    const { accessToken } = await test.jwt.refresh(refreshToken);
    await test.jwt.verifyAccess(accessToken);

    const statements = (await preparedBy(test.dataSource)).map(({ statement }) => statement);

    expect(statements).toEqual([
      // The epochs, for the sign-in.
      expect.stringContaining('AS sigra_epochs'),
      expect.stringContaining('FROM "public"."sigra_refresh_tokens"'),
      expect.stringContaining('FOR NO KEY UPDATE OF f SKIP LOCKED'),
      expect.stringContaining('LEFT JOIN "public"."sigra_owners"'),
    ]);
  });
});

describe('preparedStatements: false', () => {
  let test: TestApp;

  beforeEach(async () => {
    test = await startTestApp({ sigra: { preparedStatements: false } });
  });
  afterEach(() => test.close());

  it('sends the text of every statement', async () => {
    const { rawToken } = await test.tokens.create(test.user, REQUEST);

    await test.tokens.verify(rawToken);

    expect(await preparedBy(test.dataSource)).toEqual([]);
  });
});
