import { mock } from 'node:test';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { TokenNoticeOptions } from 'nestjs-sigra';
import { flushBackgroundWrites } from 'nestjs-sigra/testing';
import { TokenNoticeSender } from '../../libs/sigra/src/maintenance/token-notice.sender.js';
import { putTokens } from '../support/aged-rows.js';
import { eventually } from '../support/eventually.js';
import { QueryLog } from '../support/query-log.js';
import { scannedTables } from '../support/query-plans.js';
import { SIGRA_OPTIONS, startTestApp, type TestApp, type TestAppOptions, type User } from '../support/test-app.js';

const { scopes } = SIGRA_OPTIONS.apiTokens;
const REQUEST = { name: 'CI', scopes: ['read:notes'] };

/** What an owner was told: the threshold, the token and the owner. */
type Told = readonly [number, string, string];

/** An application that notes what it tells. */
async function startTelling(
  rules: Partial<Record<'onExpiring' | 'onUnused', readonly number[]>>,
  told: Told[],
  options: TestAppOptions = {},
  before: () => Promise<void> | void = () => undefined,
): Promise<TestApp> {
  const notify: TokenNoticeOptions<User>['notify'] = async (token, { days, user }) => {
    await before();
    told.push([days, token.id, user!.email]);
  };
  const notices = Object.fromEntries(Object.entries(rules).map(([name, days]) => [name, { days, notify }]));
  return startTestApp({ ...options, sigra: { apiTokens: { scopes, ...notices } } });
}

const send = (test: TestApp) => test.get(TokenNoticeSender).send();
const inDays = (test: TestApp, days: number) => new Date(test.clock.now().getTime() + days * 86_400_000);
/** Whether a statement waits for the lock of another one. */
const isWaiting = async ({ dataSource }: TestApp) => {
  const rows = await dataSource.query<object[]>(
    `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  );
  return rows.length > 0;
};
const pass = (test: TestApp, days: number) => test.clock.advance({ milliseconds: days * 86_400_000 });

describe('onExpiring', () => {
  const told: Told[] = [];
  let test: TestApp;
  let fails = false;
  const create = (days: number) => test.tokens.create(test.user, { ...REQUEST, expiresAt: inDays(test, days) });
  const toldOf = (id: string) => told.filter(([, token]) => token === id).map(([days]) => days);

  beforeAll(async () => {
    test = await startTelling({ onExpiring: [30, 7, 1] }, told, {}, () => {
      if (fails) throw new Error('no mail today');
    });
  });
  beforeEach(() => {
    told.length = 0;
    fails = false;
  });
  afterEach(() => {
    jest.restoreAllMocks();
    return test.dataSource.query('TRUNCATE sigra_api_tokens CASCADE');
  });
  afterAll(() => test.close());

  it('tells the owner once for each threshold, with the token and its owner', async () => {
    const { token } = await create(31);

    for (const days of [0, 1, 0.5, 22.5, 1, 5, 0.9]) {
      pass(test, days);
      await send(test);
      await send(test);
    }

    expect(told).toEqual([30, 7, 1].map((days) => [days, token.id, test.user.email]));
  });

  it('tells of the nearest threshold only, when a token has passed several', async () => {
    const { token } = await create(5);

    await send(test);
    pass(test, 4.5);
    await send(test);

    expect(toldOf(token.id)).toEqual([7, 1]);
  });

  it('begins again when the expiry is moved, and when the token is rotated', async () => {
    const { token } = await create(5);
    await send(test);

    await test.tokens.update(token.id, { expiresAt: inDays(test, 6) });
    await send(test);
    const successor = await test.tokens.rotate(token.id, { graceSeconds: 3600, expiresAt: inDays(test, 6) });
    await send(test);

    expect(toldOf(token.id)).toEqual([7, 7]);
    expect(toldOf(successor.token.id)).toEqual([7]);
  });

  it('tells nothing of tokens that are expired, revoked or without an expiry', async () => {
    await create(1);
    pass(test, 1);
    const { token } = await create(1);
    await test.tokens.revoke(token.id);
    await test.tokens.create(test.user, REQUEST);
    const grace = await test.addUser('grace@example.com');
    await test.tokens.create(grace, { ...REQUEST, expiresAt: inDays(test, 1) });
    await test.tokens.revokeAll(grace);

    await send(test);

    expect(told).toEqual([]);
  });

  it('waits for an owner that is not active', async () => {
    const { token } = await create(1.5);
    await test.dataSource.query('UPDATE users SET disabled_at = now()');
    await send(test);
    await test.dataSource.query('UPDATE users SET disabled_at = NULL');
    const before = [...told];
    pass(test, 0.1);
    await send(test);

    expect([before, toldOf(token.id)]).toEqual([[], [7]]);
  });

  it('tries again later when notify fails, less and less often', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const { token } = await create(6);
    fails = true;
    await send(test);
    await send(test);
    const first = warn.mock.calls.length;
    test.clock.advance({ minutes: 30 });
    await send(test);
    test.clock.advance({ minutes: 59 });
    await send(test);
    const second = warn.mock.calls.length;
    fails = false;
    test.clock.advance({ minutes: 1 });
    await send(test);
    await send(test);

    expect([first, second, toldOf(token.id)]).toEqual([1, 2, [7]]);
    expect(warn.mock.calls[0]?.[0]).toBe(
      `The notice about token ${token.id} will be sent again, because notify failed: Error: no mail today`,
    );
  });

  it('leaves the tokens of other types of owners', async () => {
    await create(1);
    await test.dataSource.query(`UPDATE sigra_api_tokens SET owner_type = 'admin'`);

    await send(test);

    expect(told).toEqual([]);
  });

  it('tells once on all nodes together, of more tokens than one batch has', async () => {
    await putTokens(test, 90, { expiresAt: inDays(test, 6) });
    const options = { databaseUrl: test.databaseUrl, clock: test.clock };
    const others = [
      await startTelling({ onExpiring: [30, 7, 1] }, told, options),
      await startTelling({ onExpiring: [30, 7, 1] }, told, options),
    ];

    await Promise.all([test, ...others].map(send));

    expect(new Set(told.map(([, id]) => id)).size).toBe(90);
    expect(told).toHaveLength(90);
    await Promise.all(others.map((other) => other.close()));
  });

  it('scans no table of many tokens', async () => {
    await putTokens(test, 20_000);
    await test.dataSource.query(
      `INSERT INTO sigra_token_notices (token_id, kind, about, days, claim_id, attempts, retry_at, sent_at)
       SELECT id, 'expiring', created_at, 7, id, 1, created_at, created_at FROM sigra_api_tokens`,
    );
    await test.dataSource.query('ANALYZE sigra_api_tokens, sigra_token_notices');
    const log = QueryLog.of(test.dataSource);

    await send(test);

    const claims = log.matching(/sigra_token_notices/);
    expect(claims).toHaveLength(21);
    for (const query of claims) expect(await scannedTables(test.dataSource, query)).toEqual([]);
  });
});

describe('onUnused', () => {
  it('tells the owner once, and begins again after a use', async () => {
    const told: Told[] = [];
    const test = await startTelling({ onUnused: [90, 30] }, told);
    const { token, rawToken } = await test.tokens.create(test.user, REQUEST);
    const days = () => told.map(([each]) => each);

    for (const passed of [29, 1, 59, 1, 100]) {
      pass(test, passed);
      await send(test);
    }
    const before = days();
    await test.tokens.verify(rawToken);
    await flushBackgroundWrites(test.app);
    await send(test);
    pass(test, 95);
    await send(test);

    expect([before, days()]).toEqual([
      [30, 90],
      [30, 90, 90],
    ]);
    expect(told[0]).toEqual([30, token.id, test.user.email]);
    await test.close();
  });

  it('tells each owner once on several nodes', async () => {
    const told: Told[] = [];
    const test = await startTelling({ onUnused: [90, 30] }, told);
    // The run of the start would meet the tokens before they have their age.
    await send(test);
    await putTokens(test, 50);
    await test.dataSource.query('UPDATE sigra_api_tokens SET created_at = $1', [inDays(test, -40)]);
    const options = { databaseUrl: test.databaseUrl, clock: test.clock };
    const nodes = [
      test,
      await startTelling({ onUnused: [90, 30] }, told, options),
      await startTelling({ onUnused: [90, 30] }, told, options),
    ];

    await Promise.all(nodes.map(send));
    const first = told.splice(0);
    pass(test, 60);
    await Promise.all(nodes.map(send));
    for (const node of nodes.reverse()) await node.close();

    expect([first, told].map((each) => new Set(each.map(([, id]) => id)).size)).toEqual([50, 50]);
    expect([first, told].map((each) => [each.length, ...new Set(each.map(([days]) => days))])).toEqual([
      [50, 30],
      [50, 90],
    ]);
  });

  it('neither waits for a last use that is being written, nor tells of it twice', async () => {
    const told: Told[] = [];
    const test = await startTelling({ onUnused: [30] }, told);
    await test.tokens.create(test.user, REQUEST);
    pass(test, 31);
    const writing = test.dataSource.createQueryRunner();
    await writing.startTransaction();
    await writing.query('UPDATE sigra_api_tokens SET last_used_at = $1', [test.clock.now()]);

    await send(test);
    const before = told.length;
    await writing.commitTransaction();
    await writing.release();
    await send(test);
    const after = told.length;
    pass(test, 31);
    await send(test);
    await test.close();

    expect([before, after, told.length]).toEqual([1, 1, 2]);
  });
});

describe('The timer of notices', () => {
  const told: Told[] = [];
  let test: TestApp;
  let fails = false;

  beforeEach(async () => {
    told.length = 0;
    fails = false;
    mock.timers.enable({ apis: ['setInterval'] });
    test = await startTelling({ onExpiring: [7] }, told, {}, () => {
      if (fails) throw new Error('no mail today');
    });
    // The run at the start has ended.
    await send(test);
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await test.close();
    mock.timers.reset();
  });

  const passMinutes = (minutes: number) => {
    test.clock.advance({ minutes });
    mock.timers.tick(minutes * 60_000);
  };
  const create = () => test.tokens.create(test.user, { ...REQUEST, expiresAt: inDays(test, 5) });

  it('is due every hour, as long as the process runs', async () => {
    const runs = jest.spyOn(test.get(TokenNoticeSender), 'send');
    const counts: number[] = [];
    for (let hour = 1; hour <= 3; hour++) {
      await create();
      passMinutes(55);
      counts.push(told.length);
      passMinutes(5);
      await eventually(() => told.length === hour);
      // The run has ended, and the next one is due in an hour.
      await runs.mock.results.at(-1)?.value;
    }

    expect(counts).toEqual([0, 1, 2]);
    expect(runs).toHaveBeenCalledTimes(3);
  });

  it('is due within five minutes after a notice that failed can be sent again', async () => {
    jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    await create();
    fails = true;
    await send(test);
    fails = false;

    passMinutes(30);
    const before = [...told];
    passMinutes(5);

    await eventually(() => told.length === 1);
    expect(before).toEqual([]);
  });

  it('is due within ten minutes after another node has claimed a notice and ended', async () => {
    const { token } = await create();
    // What a node that is killed right after the commit leaves.
    await test.dataSource.query(
      `INSERT INTO sigra_token_notices (token_id, kind, about, days, claim_id, attempts, retry_at)
       VALUES ($1, 'expiring', $2, 7, gen_random_uuid(), 1, $3)`,
      [token.id, token.expiresAt, new Date(test.clock.now().getTime() + 300_000)],
    );
    await send(test);

    passMinutes(5);
    const before = [...told];
    passMinutes(5);

    await eventually(() => told.length === 1);
    expect(before).toEqual([]);
  });

  it('is due within ten minutes after another node has claimed notices in the same moment', async () => {
    const ids = await putTokens(test, 30, { expiresAt: inDays(test, 6) });
    // The claims of another node, which ends before it has sent one of them.
    const killed = test.dataSource.createQueryRunner();
    await killed.startTransaction();
    await killed.query(
      `INSERT INTO sigra_token_notices (token_id, kind, about, days, claim_id, attempts, retry_at)
       SELECT id, 'expiring', expires_at, 7, gen_random_uuid(), 1, $2 FROM sigra_api_tokens WHERE id = ANY ($1)`,
      [[...ids].sort().slice(0, 20), new Date(test.clock.now().getTime() + 300_000)],
    );
    const sent = send(test);
    await eventually(() => isWaiting(test));
    await killed.commitTransaction();
    await killed.release();
    await sent;
    const before = told.length;

    passMinutes(10);

    await eventually(() => told.length === 30);
    expect(before).toBe(0);
  });
});

describe('A notify that does not end', () => {
  it('neither holds a connection, nor stops the others or the shutdown', async () => {
    const timers = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout');
    const told: Told[] = [];
    let calls = 0;
    const hang = () => (calls++ === 0 ? new Promise<void>(() => undefined) : undefined);
    const test = await startTelling({ onExpiring: [7] }, told, { poolSize: 1 }, hang);
    await putTokens(test, 10, { expiresAt: inDays(test, 6) });

    void send(test);
    await eventually(() => told.length === 9);
    const { tokens } = await test.tokens.listActive(test.user);

    expect(tokens).toHaveLength(10);
    await test.close();
    expect(process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout')).toEqual(timers);
  });
});

describe('Without onExpiring and onUnused', () => {
  it('no statement is sent', async () => {
    const test = await startTestApp();
    const log = QueryLog.of(test.dataSource);

    await send(test);

    expect(log.queries).toEqual([]);
    await test.close();
  });
});
