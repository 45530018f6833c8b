import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ApiToken, type IssuedApiToken, type Principal, TokenCleanupService } from 'nestjs-sigra';
import { flushBackgroundWrites } from 'nestjs-sigra/testing';
import { putTokens, remainingTokens } from '../support/aged-rows.js';
import { type OAuthApp, startOAuthApp, tokensIn } from '../support/oauth-app.js';
import { QueryLog } from '../support/query-log.js';
import { scannedTables } from '../support/query-plans.js';
import { refusalOf } from '../support/refusal.js';
import { SIGRA_OPTIONS, startTestApp, type TestApp } from '../support/test-app.js';

const IDLE_TTL = 3600;
const REQUEST = { name: 'CI', scopes: ['read:notes'] };
const RULES = { scopes: ['read:notes'], idleTtl: IDLE_TTL };

const start = (apiTokens: object = {}) => startTestApp({ sigra: { apiTokens: { ...RULES, ...apiTokens } } });
const stateOf = async (test: TestApp, { rawToken }: IssuedApiToken) => (await test.tokens.lookup(rawToken))?.state;
const pass = (test: TestApp, seconds: number) => test.clock.advance({ milliseconds: seconds * 1000 });

const principalOf = ({ user }: TestApp, { id }: ApiToken): Principal => ({
  user,
  userId: user.id,
  method: 'api_token',
  scopes: ['read:notes'],
  tokenId: id,
});

describe('idleTtl', () => {
  let test: TestApp;
  const create = () => test.tokens.create(test.user, REQUEST);
  const use = async ({ rawToken }: IssuedApiToken) => {
    await test.tokens.verify(rawToken);
    await flushBackgroundWrites(test.app);
  };

  beforeAll(async () => {
    test = await start();
  });
  afterAll(() => test.close());

  it('ends a token that was never used, at the instant and not a millisecond before', async () => {
    const [token, used] = [await create(), await create()];

    pass(test, IDLE_TTL - 0.001);
    await use(used);
    pass(test, 0.001);

    expect(await refusalOf(test.tokens.verify(token.rawToken))).toBe('token_expired');
    expect(await stateOf(test, used)).toBe('active');
  });

  it('counts from the last use, as it is recorded', async () => {
    const token = await create();

    for (let hour = 0; hour < 3; hour++) {
      pass(test, IDLE_TTL - 1);
      await use(token);
    }
    pass(test, 299);
    // Within activityUpdateThreshold of the use before, so it is not recorded.
    await use(token);
    pass(test, IDLE_TTL - 299);

    expect(await refusalOf(test.tokens.verify(token.rawToken))).toBe('token_expired');
  });

  it('ends no token in use, whatever its uses are apart within the limit', async () => {
    const token = await create();

    for (let passed = 0; passed < 3 * IDLE_TTL; passed += 250) {
      pass(test, 250);
      await use(token);
    }

    expect(await stateOf(test, token)).toBe('active');
  });

  it('does not extend an expiry', async () => {
    const expiresAt = new Date(test.clock.now().getTime() + 60_000);
    const { rawToken } = await test.tokens.create(test.user, { ...REQUEST, expiresAt });

    pass(test, 60);

    expect(await refusalOf(test.tokens.verify(rawToken))).toBe('token_expired');
  });

  it('starts anew with a rotation, and ends a token that can no longer be rotated or changed', async () => {
    const [used, unused] = [await create(), await create()];
    pass(test, IDLE_TTL - 1);
    const successor = await test.tokens.rotate(used.token.id);
    pass(test, 1);

    expect(await stateOf(test, successor)).toBe('active');
    expect(await refusalOf(test.tokens.rotate(unused.token.id))).toBe('token_expired');
    expect(await refusalOf(test.tokens.update(unused.token.id, { name: 'other' }))).toBe('token_expired');
    expect((await test.tokens.revoke(unused.token.id)).revokeReason).toBe('revoked');
  });

  it('ends a token whose use another node has not written yet, until it has', async () => {
    const issued = await create();
    const other = await startTestApp({
      databaseUrl: test.databaseUrl,
      clock: test.clock,
      sigra: { apiTokens: { ...RULES } },
    });
    pass(test, IDLE_TTL - 1);
    await other.tokens.verify(issued.rawToken);
    pass(test, 1);
    const before = await refusalOf(test.tokens.verify(issued.rawToken));
    await flushBackgroundWrites(other.app);

    expect(before).toBe('token_expired');
    expect(await stateOf(test, issued)).toBe('active');
    await other.close();
  });
});

describe('A token that idleTtl has ended', () => {
  it('is in no list, and does not count', async () => {
    const test = await start({ maxActivePerOwner: 1 });
    const { rawToken } = await test.tokens.create(test.user, REQUEST);
    const atCap = await refusalOf(test.tokens.create(test.user, REQUEST));
    pass(test, IDLE_TTL);

    const { tokens } = await test.tokens.listActive(test.user);
    const lookedUp = await test.tokens.lookup(rawToken);
    const next = await test.tokens.create(test.user, REQUEST);

    expect([atCap, tokens, lookedUp?.state]).toEqual(['too_many_tokens', [], 'expired']);
    expect((await test.tokens.listActive(test.user)).tokens.map(({ id }) => id)).toEqual([next.token.id]);
    expect(await test.tokens.revokeAll(test.user)).toBe(1);
    await test.close();
  });

  it('makes nothing, even for a request that was authenticated before', async () => {
    const test: TestApp = await start({ parseMetadata: wait });
    const made = { ...REQUEST, metadata: { wait: true } };
    const { token } = await test.tokens.create(test.user, REQUEST);
    const principal = principalOf(test, token);
    pass(test, IDLE_TTL - 1);
    const inTime = await test.tokens.create(test.user, REQUEST, { principal });

    expect(inTime.token).toMatchObject({ madeByTokenId: token.id, expiresAt: null });
    expect(await refusalOf(test.tokens.create(test.user, made, { principal }))).toBe('token_expired');
    await test.close();

    function wait(metadata: object): object {
      if ('wait' in metadata) pass(test, 1);
      return metadata;
    }
  });
});

describe('enforceOnExisting', () => {
  it('reaches what a token made that idleTtl has ended', async () => {
    const before = await startTestApp();
    const { token } = await before.tokens.create(before.user, REQUEST);
    const made = await before.tokens.create(before.user, REQUEST, { principal: principalOf(before, token) });
    pass(before, IDLE_TTL);
    await before.tokens.verify(made.rawToken);
    await flushBackgroundWrites(before.app);
    const strict = await startTestApp({
      databaseUrl: before.databaseUrl,
      clock: before.clock,
      sigra: { apiTokens: { ...RULES, maxTtl: 2 * IDLE_TTL, enforceOnExisting: true } },
    });

    expect(await stateOf(strict, made)).toBe('active');
    expect((await strict.tokens.listOutsideRules()).tokens).toEqual([]);
    expect((await strict.tokens.lookup(made.rawToken))?.token.expiresAt).toEqual(
      new Date(token.createdAt.getTime() + 2 * IDLE_TTL * 1000),
    );
    await strict.close();
    await before.close();
  });
});

describe('idleTtl of a kind', () => {
  let test: TestApp;
  const create = (kind: string) => test.tokens.create(test.user, { ...REQUEST, kind });

  beforeAll(async () => {
    test = await start({
      idleTtl: undefined,
      kinds: { live: { prefix: 'live_' }, ci: { prefix: 'ci_', idleTtl: IDLE_TTL } },
      maxActivePerOwner: 2,
    });
  });
  afterAll(() => test.close());

  it('ends its tokens, and no others, for verification, lists, caps and clean-up', async () => {
    const [live, ci] = [await create('live'), await create('ci')];
    pass(test, IDLE_TTL);

    const next = await create('ci');
    const states = await Promise.all([live, ci, next].map((token) => stateOf(test, token)));
    const { tokens } = await test.tokens.listActive(test.user);
    const { expiredTokens } = await test.get(TokenCleanupService).cleanupExpiredTokens();
    pass(test, 3600);
    const { expiredTokens: later } = await test.get(TokenCleanupService).cleanupExpiredTokens();

    expect(states).toEqual(['active', 'expired', 'active']);
    expect(tokens.map(({ id }) => id)).toEqual([live.token.id, next.token.id]);
    expect([expiredTokens, later]).toEqual([0, 1]);
    expect(await stateOf(test, live)).toBe('active');
  });

  it('is refused when it is shorter than the precision of recorded uses', async () => {
    const kinds = { ci: { prefix: 'ci_', idleTtl: 302 } };

    await expect(start({ kinds })).rejects.toThrow('sigra: apiTokens.kinds.ci.idleTtl must be longer than 302 seconds');
  });
});

describe('Clean-up with idleTtl', () => {
  let test: TestApp;
  const clean = (batchSize?: number) => test.get(TokenCleanupService).cleanupExpiredTokens({ batchSize });

  beforeAll(async () => {
    test = await start();
  });
  afterAll(() => test.close());

  it('deletes unused tokens an hour after their end, and not a millisecond before, in batches', async () => {
    await putTokens(test, 7);
    const { token } = await test.tokens.create(test.user, REQUEST);
    pass(test, IDLE_TTL + 3600 - 0.001);
    const report = await clean(2);
    const kept = await remainingTokens(test);
    pass(test, 0.001);

    expect([report.expiredTokens, kept]).toEqual([7, [token.id]]);
    expect((await clean()).expiredTokens).toBe(1);
  });

  it('leaves the tokens of other types of owners', async () => {
    await putTokens(test, 2);
    await test.dataSource.query(`UPDATE sigra_api_tokens SET owner_type = 'admin'`);

    expect((await clean()).expiredTokens).toBe(0);
    await test.dataSource.query('TRUNCATE sigra_api_tokens CASCADE');
  });

  it('keeps a token while credentials that it made live, so that they can be revoked with it', async () => {
    const maker = await test.tokens.create(test.user, REQUEST);
    const principal = principalOf(test, maker.token);
    const made = await test.tokens.create(test.user, REQUEST, { principal });
    for (let hour = 0; hour < 3; hour++) {
      pass(test, IDLE_TTL - 1);
      await test.tokens.verify(made.rawToken);
      await flushBackgroundWrites(test.app);
    }

    const report = await clean();
    const unused = await refusalOf(test.tokens.verify(maker.rawToken));
    await test.tokens.revoke(maker.token.id);

    expect([report.expiredTokens, unused]).toEqual([0, 'token_expired']);
    expect(await refusalOf(test.tokens.verify(made.rawToken))).toBe('token_revoked');
    await test.dataSource.query('TRUNCATE sigra_api_tokens CASCADE');
  });

  it('scans no table of many tokens', async () => {
    await putTokens(test, 20_000);
    await test.dataSource.query('ANALYZE sigra_api_tokens');
    const log = QueryLog.of(test.dataSource);

    const { expiredTokens } = await clean(500);
    // Otherwise the plans are those for a table that is empty, if autovacuum has seen it.
    await putTokens(test, 20_000);
    await test.dataSource.query('ANALYZE sigra_api_tokens');

    expect(expiredTokens).toBe(20_000);
    for (const query of log.matching(/is_unused/).slice(0, 3))
      expect(await scannedTables(test.dataSource, query)).toEqual([]);
  });
});

describe('An API token as a client of OAuth, with idleTtl', () => {
  let test: OAuthApp;

  beforeAll(async () => {
    test = await startOAuthApp(
      { check: 'family' },
      { sigra: { apiTokens: { ...SIGRA_OPTIONS.apiTokens, idleTtl: 600 } } },
    );
  });
  afterAll(() => test.close());

  it('is not active in an introspection, and neither is an access token that it got', async () => {
    const create = () => test.tokens.create(test.user, { name: 'service', scopes: ['read:notes'] });
    const { token, rawToken } = await create();
    const answer = await test.post('token', {
      grant_type: 'client_credentials',
      client_id: token.id,
      client_secret: rawToken,
    });
    const { access_token } = tokensIn(answer);
    await flushBackgroundWrites(test.app);
    const asker = await test.tokens.create(test.user, { name: 'resource server', scopes: ['oauth:introspect'] });
    const authorization = `Bearer ${asker.rawToken}`;
    const activeOf = async (credential: string) => {
      const { body } = await test.post('introspect', { token: credential }, { authorization });
      return (body as { active: boolean }).active;
    };
    pass(test, 500);
    const before = await activeOf(access_token);
    await flushBackgroundWrites(test.app);
    pass(test, 105);

    expect(before).toBe(true);
    expect([await activeOf(rawToken), await activeOf(access_token)]).toEqual([false, false]);
    expect((await test.present(access_token)).status).toBe(401);
  });
});
