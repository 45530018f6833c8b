import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { type IssuedApiToken } from 'nestjs-sigra';
import { LastUsedRecorder } from '../../libs/sigra/src/tokens/last-used.recorder.js';
import { FakeClock } from 'nestjs-sigra/testing';
import { QueryLog } from '../support/query-log.js';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };
const THRESHOLD = 300;
const UPDATE = /UPDATE "public"."sigra_api_tokens"[\s\S]*last_used_at = /;

const flush = (test: TestApp) => test.get(LastUsedRecorder).flush();

async function lastUse(test: TestApp, { token }: IssuedApiToken): Promise<{ at: Date | null; ip: string | null }> {
  const [row] = await test.dataSource.query<{ at: Date | null; ip: string | null }[]>(
    'SELECT last_used_at AS at, last_used_ip AS ip FROM sigra_api_tokens WHERE id = $1',
    [token.id],
  );
  return row!;
}

describe('the last use of a token', () => {
  let test: TestApp;
  let issued: IssuedApiToken;
  let log: QueryLog;
  const use = (ipAddress?: string) => test.tokens.verify(issued.rawToken, { ipAddress });

  beforeAll(async () => {
    test = await startTestApp();
  });
  beforeEach(async () => {
    issued = await test.tokens.create(test.user, REQUEST);
    log = QueryLog.of(test.dataSource);
  });
  afterEach(() => flush(test));
  afterAll(() => test.close());

  it('is recorded in the background, with the address', async () => {
    await use('192.0.2.1');
    const before = await lastUse(test, issued);
    await flush(test);

    expect(before).toEqual({ at: null, ip: null });
    expect(await lastUse(test, issued)).toEqual({ at: test.clock.now(), ip: '192.0.2.1' });
    expect(await use()).toMatchObject({ lastUsedAt: test.clock.now(), lastUsedIp: '192.0.2.1' });
  });

  it('is recorded without an address when none is known', async () => {
    await use();
    await flush(test);

    expect(await lastUse(test, issued)).toEqual({ at: test.clock.now(), ip: null });
  });

  it('is recorded once per threshold', async () => {
    const first = test.clock.now();
    await use('192.0.2.1');
    await flush(test);

    test.clock.set(new Date(first.getTime() + THRESHOLD * 1000 - 1));
    await use('192.0.2.2');
    await flush(test);
    const within = await lastUse(test, issued);
    const statements = log.matching(UPDATE).length;
    test.clock.advance({ milliseconds: 1 });
    await use('192.0.2.3');
    await flush(test);

    expect(within).toEqual({ at: first, ip: '192.0.2.1' });
    expect(statements).toBe(1);
    expect(await lastUse(test, issued)).toEqual({ at: test.clock.now(), ip: '192.0.2.3' });
  });

  it('is recorded for many tokens with one statement', async () => {
    const many = [issued];
    for (let each = 0; each < 30; each++) many.push(await test.tokens.create(test.user, REQUEST));

    await Promise.all(many.map(({ rawToken }) => test.tokens.verify(rawToken)));
    await Promise.all(many.map(({ rawToken }) => test.tokens.verify(rawToken)));
    await flush(test);

    expect(log.matching(UPDATE)).toHaveLength(1);
    const uses = await Promise.all(many.map((each) => lastUse(test, each)));
    expect(uses.every(({ at }) => at?.getTime() === test.clock.now().getTime())).toBe(true);
  });

  it('is recorded for at most 50,000 tokens at a time, which limits the memory', async () => {
    const [row] = await test.dataSource.query<Parameters<LastUsedRecorder['record']>[0][]>(
      'SELECT id, NULL AS last_used_at FROM sigra_api_tokens WHERE id = $1',
      [issued.token.id],
    );
    const recorder = test.get(LastUsedRecorder);
    for (let each = 0; each < 50_010; each++) recorder.record({ ...row!, id: randomUUID() }, {});
    log.clear();

    await flush(test);

    const sizes = log.matching(UPDATE).map(({ parameters }) => (parameters[0] as string[]).length);
    expect(sizes).toEqual(Array.from({ length: 10 }, () => 5000));
  });

  it('is not recorded for a refused token', async () => {
    await test.tokens.revoke(issued.token.id);
    await refusalOf(use());
    await flush(test);

    expect(await lastUse(test, issued)).toEqual({ at: null, ip: null });
    expect(log.matching(UPDATE)).toEqual([]);
  });

  it('costs no statement when there is nothing to record', async () => {
    log.clear();

    await flush(test);

    expect(log.queries).toEqual([]);
  });

  it('skips a locked row, and is recorded with the next use', async () => {
    const free = await test.tokens.create(test.user, REQUEST);
    const holder = test.dataSource.createQueryRunner();
    await holder.startTransaction();
    await holder.query('SELECT 1 FROM sigra_api_tokens WHERE id = $1 FOR NO KEY UPDATE', [issued.token.id]);

    await use();
    await test.tokens.verify(free.rawToken);
    await flush(test);
    const whileHeld = [await lastUse(test, issued), await lastUse(test, free)];
    await holder.rollbackTransaction();
    await holder.release();
    await use();
    await flush(test);

    expect(whileHeld.map(({ at }) => at)).toEqual([null, test.clock.now()]);
    expect(await lastUse(test, issued)).toMatchObject({ at: test.clock.now() });
  });

  it('never makes a revoked token valid again', async () => {
    for (let round = 0; round < 30; round++) {
      const token = await test.tokens.create(test.user, REQUEST);
      await test.tokens.verify(token.rawToken);

      await Promise.all([flush(test), test.tokens.revoke(token.token.id)]);

      expect(await refusalOf(test.tokens.verify(token.rawToken))).toBe('token_revoked');
    }
  });

  it('is recorded for other tokens when an address cannot be stored', async () => {
    const other = await test.tokens.create(test.user, REQUEST);

    await use(`\0${'x'.repeat(10_000)}`);
    await test.tokens.verify(other.rawToken, { ipAddress: '192.0.2.1' });
    await flush(test);

    expect(await lastUse(test, other)).toEqual({ at: test.clock.now(), ip: '192.0.2.1' });
    expect((await lastUse(test, issued)).ip?.length).toBeLessThanOrEqual(64);
  });

  it('fails no caller when it cannot be recorded', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    await use();
    await test.dataSource.query('ALTER TABLE sigra_api_tokens RENAME COLUMN last_used_ip TO elsewhere');

    await flush(test);
    const warnings = warn.mock.calls.map(([text]) => String(text));
    warn.mockRestore();
    await test.dataSource.query('ALTER TABLE sigra_api_tokens RENAME COLUMN elsewhere TO last_used_ip');

    expect(warnings).toEqual([expect.stringContaining('The last use of some tokens was not recorded')]);
    await use();
    await flush(test);
    expect(await lastUse(test, issued)).toMatchObject({ at: test.clock.now() });
  });
});

describe('the last use that two nodes record', () => {
  it('only moves forward', async () => {
    const test = await startTestApp({ sigra: { apiTokens: { scopes: ['read:notes'], activityUpdateThreshold: 0 } } });
    const behind = await startTestApp({
      databaseUrl: test.databaseUrl,
      clock: new FakeClock(new Date(test.clock.now().getTime() - 60_000)),
      sigra: { apiTokens: { scopes: ['read:notes'], activityUpdateThreshold: 0 } },
    });
    const issued = await test.tokens.create(test.user, REQUEST);

    await behind.tokens.verify(issued.rawToken);
    await test.tokens.verify(issued.rawToken);
    await flush(test);
    await flush(behind);
    const noted = await lastUse(test, issued);
    await behind.close();
    await test.close();

    expect(noted.at).toEqual(test.clock.now());
  });

  it('never deadlocks, in 200 rounds over the same tokens in opposite orders', async () => {
    const sigra = { apiTokens: { scopes: ['read:notes'], activityUpdateThreshold: 0 } };
    const test = await startTestApp({ sigra });
    const other = await startTestApp({ sigra, databaseUrl: test.databaseUrl, clock: test.clock });
    const warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    const issued = [];
    for (let each = 0; each < 20; each++) issued.push(await test.tokens.create(test.user, REQUEST));

    for (let round = 0; round < 200; round++) {
      test.clock.advance({ seconds: 1 });
      await Promise.all(issued.map(({ rawToken }) => test.tokens.verify(rawToken)));
      await Promise.all(issued.toReversed().map(({ rawToken }) => other.tokens.verify(rawToken)));
      await Promise.all([flush(test), flush(other)]);
    }
    const warnings = warn.mock.calls.length;
    warn.mockRestore();
    // The second node skips a locked row, so one of the two nodes records each use.
    const uses = await Promise.all(issued.map((each) => lastUse(test, each)));
    await other.close();
    await test.close();

    expect(warnings).toBe(0);
    expect(uses.map(({ at }) => at)).toEqual(issued.map(() => test.clock.now()));
  }, 120_000);
});

describe('the last use when the application closes', () => {
  it('is written before the process ends', async () => {
    const test = await startTestApp();
    const closing = await startTestApp({ databaseUrl: test.databaseUrl, clock: test.clock });
    const issued = await test.tokens.create(test.user, REQUEST);

    await closing.tokens.verify(issued.rawToken);
    await closing.close();
    const noted = await lastUse(test, issued);
    await test.close();

    expect(noted.at).toEqual(test.clock.now());
  });
});
