import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { QueryLog } from '../support/query-log.js';
import { ADAPTERS } from '../support/test-app.js';
import { closeJwtApps, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { reasonOf } from '../support/refusal.js';

describe.each(ADAPTERS)('check: stateless on %s', (adapter) => {
  let test: JwtApp;
  let queries: QueryLog;

  beforeAll(async () => {
    test = await startJwtApp({ check: 'stateless' }, { adapter });
    queries = QueryLog.of(test.dataSource);
  });
  afterAll(() => test.close());

  const issue = async () => {
    const { accessToken } = await test.jwt.generateTokens(test.user, ['read:notes']);
    queries.clear();
    return accessToken;
  };

  it('sends no statement to the database', async () => {
    const jwt = await issue();

    const answers = await Promise.all([test.present(jwt), test.present(jwt, '/notes'), test.present(`${jwt}x`)]);

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 401]);
    expect(queries.queries).toEqual([]);
  });

  it('returns a user with only the id', async () => {
    const me = await test.present(await issue());

    expect(await me.json()).toEqual({ userId: test.user.id, method: 'jwt', scopes: ['read:notes'] });
  });

  it('accepts a token until it expires, even if its user is deactivated, deleted or signed out', async () => {
    const jwt = await issue();
    await test.jwt.signOutEverywhere(test.user);
    await test.dataSource.query('UPDATE users SET disabled_at = now()');

    const signedOut = await test.present(jwt);
    test.clock.advance({ seconds: 900 });
    const expired = await test.present(jwt);
    await test.dataSource.query('UPDATE users SET disabled_at = NULL');

    expect([signedOut.status, expired.status]).toEqual([200, 401]);
    expect(await reasonOf(test.jwt.verifyAccess(jwt))).toMatchObject({ code: 'token_expired' });
  });
});

describe('check: stateless without a database', () => {
  afterEach(closeJwtApps);

  it('still accepts tokens, while API tokens are answered with 503', async () => {
    const test = await startJwtApp({ check: 'stateless' });
    const { accessToken } = await test.jwt.generateTokens(test.user, ['read:notes']);
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });

    await test.dataSource.destroy();
    const answers = [await test.present(accessToken), await test.present(rawToken)];
    await test.dataSource.initialize();

    expect(answers.map(({ status }) => status)).toEqual([200, 503]);
  });
});
