import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { answerOf, INVALID_TOKEN } from '../support/answers.js';
import { QueryLog } from '../support/query-log.js';
import { ADAPTERS } from '../support/test-app.js';
import { type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { reasonOf } from '../support/refusal.js';

const INACTIVE = { code: 'invalid_token', message: 'The user does not exist or is not active.' };

describe.each(ADAPTERS)('check: epoch on %s', (adapter) => {
  let test: JwtApp;
  let otherNode: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp({}, { adapter });
    otherNode = await startJwtApp({}, { adapter, databaseUrl: test.databaseUrl, clock: test.clock });
  });
  afterAll(async () => {
    await otherNode.close();
    await test.close();
  });

  const signIn = async (email: string) => {
    const user = await test.addUser(email);
    return { user, jwt: (await test.jwt.generateTokens(user, ['read:notes'])).accessToken };
  };

  it('refuses the next request after the user is deactivated, and accepts requests after the user is active again', async () => {
    const { user, jwt } = await signIn('suspended@example.com');
    const before = await test.present(jwt);

    await test.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [user.id]);
    const suspended = await answerOf(await otherNode.present(jwt));
    const reason = await reasonOf(test.jwt.verifyAccess(jwt));
    await test.dataSource.query('UPDATE users SET disabled_at = NULL WHERE id = $1', [user.id]);
    const after = await test.present(jwt);

    expect([before.status, after.status]).toEqual([200, 200]);
    expect(suspended).toEqual(INVALID_TOKEN);
    expect(reason).toEqual(INACTIVE);
  });

  it('refuses the next request after the user is deleted', async () => {
    const { user, jwt } = await signIn('leaver@example.com');
    const before = await test.present(jwt);

    await test.dataSource.query('DELETE FROM users WHERE id = $1', [user.id]);
    const after = await answerOf(await otherNode.present(jwt));

    expect(before.status).toBe(200);
    expect(after).toEqual(INVALID_TOKEN);
    expect(await reasonOf(test.jwt.verifyAccess(jwt))).toEqual(INACTIVE);
  });

  it('refuses the next request on every node after the user signs out everywhere', async () => {
    const { user, jwt } = await signIn('careful@example.com');
    const before = await otherNode.present(jwt);

    await test.jwt.signOutEverywhere(user);
    const after = await answerOf(await otherNode.present(jwt));

    expect(before.status).toBe(200);
    expect(after).toEqual(INVALID_TOKEN);
    expect(await reasonOf(otherNode.jwt.verifyAccess(jwt))).toEqual({
      code: 'epoch_mismatch',
      message: 'The user has signed out everywhere.',
    });
  });

  it('accepts tokens that are signed later, and does not affect other users and API tokens', async () => {
    const [gone, bystander] = [await signIn('gone@example.com'), await signIn('bystander@example.com')];
    const { rawToken } = await test.tokens.create(gone.user, { name: 'CI', scopes: ['read:notes'] });

    await test.jwt.signOutEverywhere(gone.user);
    const { accessToken } = await test.jwt.generateTokens(gone.user, ['read:notes']);
    const answers = await Promise.all([accessToken, bystander.jwt, rawToken].map((each) => test.present(each)));

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(await test.jwt.verifyAccess(accessToken)).toMatchObject({ epoch: 1 });
    expect(await test.jwt.verifyAccess(bystander.jwt)).toMatchObject({ epoch: 0 });
  });

  it('accepts access tokens of a revoked family until they expire', async () => {
    const { accessToken, refreshToken } = await test.jwt.generateTokens(test.user, ['read:notes']);

    await test.jwt.revokeRefresh(refreshToken);
    const answer = await test.present(accessToken);

    expect(answer.status).toBe(200);
  });

  it('answers 503 without a database, never 401', async () => {
    const { accessToken } = await otherNode.jwt.generateTokens(test.user, ['read:notes']);

    await otherNode.dataSource.destroy();
    const answer = await otherNode.present(accessToken);
    await otherNode.dataSource.initialize();

    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(answer.headers.get('www-authenticate')).toBeNull();
  });
});

describe('check: epoch for many tokens at once', () => {
  let test: JwtApp;
  let queries: QueryLog;

  beforeAll(async () => {
    test = await startJwtApp();
    queries = QueryLog.of(test.dataSource);
  });
  afterAll(() => test.close());

  const signIns = async (count: number) => {
    const users = await Promise.all(Array.from({ length: count }, (_, index) => test.addUser(`${index}@example.com`)));
    const pairs = await Promise.all(users.map((user) => test.jwt.generateTokens(user, ['read:notes'])));
    queries.clear();
    return { users, jwts: pairs.map(({ accessToken }) => accessToken) };
  };

  it('reads users and epochs of all in two queries', async () => {
    const { users, jwts } = await signIns(50);

    const claims = await Promise.all(jwts.map((jwt) => test.jwt.verifyAccess(jwt)));

    expect(claims.map(({ sub }) => sub)).toEqual(users.map(({ id }) => id));
    expect(queries.queries).toHaveLength(2);
  });

  it('distinguishes valid and invalid tokens', async () => {
    const { users, jwts } = await signIns(4);
    await test.jwt.signOutEverywhere(users[1]!);
    await test.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [users[2]!.id]);
    queries.clear();

    const outcomes = await Promise.all(
      jwts.map((jwt) => test.jwt.verifyAccess(jwt).then(({ sub }) => sub, reasonCode)),
    );

    expect(outcomes).toEqual([users[0]!.id, 'epoch_mismatch', 'invalid_token', users[3]!.id]);
    expect(queries.queries).toHaveLength(1);
  });

  it('sends no query for an invalid token', async () => {
    const { jwts } = await signIns(1);
    test.clock.advance({ seconds: 900 });

    const reasons = await Promise.all([`${jwts[0]!}x`, jwts[0]!].map((jwt) => reasonOf(test.jwt.verifyAccess(jwt))));

    expect(reasons.map(({ code }) => code)).toEqual(['invalid_token', 'token_expired']);
    expect(queries.queries).toEqual([]);
  });

  it('has no cache: every verification reads again', async () => {
    const { jwts } = await signIns(1);

    for (let turn = 0; turn < 3; turn++) await test.jwt.verifyAccess(jwts[0]!);

    expect(queries.queries).toHaveLength(3);
  });
});

function reasonCode(error: unknown): string {
  return (error as { code: string }).code;
}
