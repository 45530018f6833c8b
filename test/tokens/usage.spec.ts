import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ApiTokenService, TokenCleanupService } from 'nestjs-sigra';
import { bearer, flushBackgroundWrites } from 'nestjs-sigra/testing';
import { eventually } from '../support/eventually.js';
import { OAUTH_CONTROLLERS, startOAuthApp, tokensIn } from '../support/oauth-app.js';
import { type FaultyApp, startFaultyApp } from '../support/faulty-app.js';
import { QueryLog } from '../support/query-log.js';
import { refusalOf } from '../support/refusal.js';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';

const USAGE = { apiTokens: { scopes: ['read:notes'], usage: { enabled: true } } };
const UNKNOWN = '01890a5d-ac96-774b-bcce-b302099a8057';

describe('the usage of a token', () => {
  let test: TestApp;
  let other: TestApp;

  beforeAll(async () => {
    test = await startTestApp({ sigra: USAGE });
    other = await startTestApp({ sigra: USAGE, databaseUrl: test.databaseUrl, clock: test.clock });
  });
  beforeEach(() => test.clock.set(new Date('2026-03-01T12:00:00Z')));
  afterAll(async () => {
    await other.close();
    await test.close();
  });

  const create = () => test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });
  const read = (node: TestApp, rawToken: string) => fetch(`${node.url}/notes`, { headers: bearer(rawToken) });
  const flush = () => Promise.all([test, other].map(({ app }) => flushBackgroundWrites(app)));

  it('counts the requests of each day in UTC, on all nodes', async () => {
    test.clock.set(new Date('2026-03-01T23:59:59Z'));
    const { rawToken, token } = await create();
    await Promise.all([test, other, test, other, test].map((node) => read(node, rawToken)));
    test.clock.advance({ seconds: 1 });
    await read(test, rawToken);
    await flush();
    await read(other, rawToken);
    await flush();

    expect(await test.tokens.usage(token.id)).toEqual([
      { day: '2026-03-01', requests: 5 },
      { day: '2026-03-02', requests: 2 },
    ]);
    const [from, to] = [new Date('2026-03-02T00:00:00Z'), new Date('2026-03-01T23:59:59Z')];
    expect(await test.tokens.usage(token.id, { from })).toEqual([{ day: '2026-03-02', requests: 2 }]);
    expect(await test.tokens.usage(token.id, { to })).toEqual([{ day: '2026-03-01', requests: 5 }]);
  });

  it('is written with one statement for all requests of all tokens, and a row for each token', async () => {
    const issued = [await create(), await create(), await create()];
    await flush();
    const log = QueryLog.of(test.dataSource);

    for (let each = 0; each < 5; each++) {
      await Promise.all(issued.map(({ rawToken }) => test.tokens.verify(rawToken)));
    }
    const meanwhile = log.matching(/sigra_token_usage/);
    await flush();

    expect(meanwhile).toEqual([]);
    expect(log.matching(/INSERT INTO \S*sigra_token_usage/)).toHaveLength(1);
    for (const { token } of issued) {
      expect(await test.tokens.usage(token.id)).toEqual([{ day: '2026-03-01', requests: 5 }]);
    }
  });

  it('does not count refused requests', async () => {
    const { rawToken, token } = await create();
    await test.tokens.revoke(token.id);

    expect((await read(test, rawToken)).status).toBe(401);
    await flush();

    expect(await test.tokens.usage(token.id)).toEqual([]);
  });

  it('counts the request that gets a JWT with the token, and not those with the JWT', async () => {
    const app = await startOAuthApp({}, { sigra: { ...USAGE, controllers: OAUTH_CONTROLLERS } });
    const { rawToken, token } = await app.tokens.create(app.user, { name: 'CI', scopes: ['read:notes'] });
    const client = { client_id: token.id, client_secret: rawToken };

    const { access_token } = tokensIn(await app.post('token', { grant_type: 'client_credentials', ...client }));
    const statuses = [(await app.present(access_token)).status, (await app.present(access_token)).status];
    await flushBackgroundWrites(app.app);
    const usage = await app.tokens.usage(token.id);
    await app.close();

    expect(statuses).toEqual([200, 200]);
    expect(usage.map(({ requests }) => requests)).toEqual([1]);
  });

  it('is not that of a token of another user, or of an unknown one', async () => {
    const { token } = await create();
    const stranger = await test.addUser('eve@example.com');

    expect(await test.tokens.usageForUser(test.user, token.id)).toEqual([]);
    expect(await refusalOf(test.tokens.usageForUser(stranger, token.id))).toBe('not_found');
    expect(await refusalOf(test.tokens.usage(UNKNOWN))).toBe('not_found');
    expect(await refusalOf(test.tokens.usage('no uuid'))).toBe('not_found');
  });

  it.each([new Date('no date'), new Date('-000001-01-01'), new Date(8.64e15), '2026-03-01' as never])(
    'is not read for the day of %p',
    async (time) => {
      const { token } = await create();

      for (const range of [{ from: time }, { to: time }]) {
        expect(await refusalOf(test.tokens.usage(token.id, range))).toBe('invalid_filter');
      }
      expect(await test.tokens.usage(token.id, { from: new Date('0001-01-01') })).toEqual([]);
    },
  );

  it('ends with its token, also while it is written', async () => {
    const { rawToken, token } = await create();
    const { rawToken: kept, token: keptToken } = await create();
    await read(test, rawToken);
    await read(test, kept);
    await test.dataSource.query('DELETE FROM sigra_api_tokens WHERE id = $1', [token.id]);
    await flush();

    expect(await test.tokens.usage(keptToken.id)).toEqual([{ day: '2026-03-01', requests: 1 }]);
    expect(await test.dataSource.query('SELECT FROM sigra_token_usage WHERE token_id = $1', [token.id])).toEqual([]);
  });

  it('is deleted after its retention', async () => {
    const { rawToken, token } = await create();
    const DAY = 86_400;
    for (const seconds of [0, DAY, 90 * DAY]) {
      test.clock.advance({ seconds });
      await read(test, rawToken);
      await flush();
    }

    await test.get(TokenCleanupService).cleanupExpiredTokens();

    expect(await test.tokens.usage(token.id)).toEqual([
      { day: '2026-03-02', requests: 1 },
      { day: '2026-05-31', requests: 1 },
    ]);
  });

  it('is not deleted by the clean-up of another type of owners', async () => {
    const { token } = await create();
    await test.dataSource.query(`INSERT INTO sigra_token_usage VALUES ($1, '2020-01-01', 1)`, [token.id]);
    await test.dataSource.query(`UPDATE sigra_api_tokens SET owner_type = 'admin' WHERE id = $1`, [token.id]);

    await test.get(TokenCleanupService).cleanupExpiredTokens();

    const rows = await test.dataSource.query('SELECT requests FROM sigra_token_usage WHERE token_id = $1', [token.id]);
    expect(rows).toEqual([{ requests: '1' }]);
  });

  it('loses nothing when many nodes write the same tokens at once', async () => {
    const made = await Promise.all(Array.from({ length: 40 }, create));
    for (let round = 0; round < 10; round++) {
      const shuffled = [...made].sort(() => Math.random() - 0.5);
      await Promise.all(shuffled.flatMap(({ rawToken }) => [read(test, rawToken), read(other, rawToken)]));
      await flush();
    }

    const counts = await Promise.all(made.map(({ token }) => test.tokens.usage(token.id)));
    expect(counts.flat().map(({ requests }) => requests)).toEqual(made.map(() => 20));
  });
});

describe('the usage of a token without the option', () => {
  it('is not counted', async () => {
    const test = await startTestApp();
    const { rawToken, token } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });
    await test.get(ApiTokenService).verify(rawToken);
    await flushBackgroundWrites(test.app);
    const usage = await test.tokens.usage(token.id);
    await test.close();

    expect(usage).toEqual([]);
  });
});

describe.each(ADAPTERS)('the usage of a token, when the database is gone at a write, on %s', (adapter) => {
  let test: FaultyApp;
  beforeAll(async () => {
    test = await startFaultyApp(adapter, { sigra: USAGE });
  });
  afterAll(() => test.close());

  it('is written afterwards', async () => {
    const { rawToken, token } = await test.sound.tokens.create(test.sound.user, {
      name: 'CI',
      scopes: ['read:notes'],
    });
    const tokens = test.host.app.get(ApiTokenService);
    await eventually(async () => (await tokens.verify(rawToken)).name === 'CI');
    await test.proxy.cut();
    await flushBackgroundWrites(test.host.app);
    await test.proxy.mend();

    await eventually(async () => {
      await flushBackgroundWrites(test.host.app);
      return (await test.sound.tokens.usage(token.id)).length > 0;
    });

    const usage = await test.sound.tokens.usage(token.id);
    expect(usage.map(({ requests }) => requests)).toEqual([1]);
  });
});
