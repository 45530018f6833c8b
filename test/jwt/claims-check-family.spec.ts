import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { SigraJwtService, TokenPair } from 'nestjs-sigra';
import { answerOf, INVALID_TOKEN } from '../support/answers.js';
import { QueryLog } from '../support/query-log.js';
import { ADAPTERS, type User } from '../support/test-app.js';
import { resign, signWithJose, standardClaims } from '../support/jwt-forge.js';
import { HOSTILE_APP, KEYS } from '../support/hostile-jwt.js';
import { type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { reasonOf } from '../support/refusal.js';

const REVOKED = { code: 'token_revoked', message: 'The family has been revoked.' };
const SIGNED_OUT = { code: 'epoch_mismatch', message: 'The user has signed out everywhere.' };

interface Revocation {
  readonly by: string;
  /** @default REVOKED */
  readonly reason?: typeof SIGNED_OUT;
  revoke(jwt: SigraJwtService, user: User, pair: TokenPair): Promise<unknown>;
}

const REVOCATIONS: readonly Revocation[] = [
  { by: 'its refresh token', revoke: (jwt, _user, { refreshToken }) => jwt.revokeRefresh(refreshToken) },
  {
    by: 'its id',
    revoke: async (jwt, user, { accessToken }) =>
      jwt.revokeFamily(user, String((await jwt.verifyAccess(accessToken)).sid)),
  },
  {
    by: 'the revocation of all sign-ins',
    reason: SIGNED_OUT,
    revoke: (jwt, user) => jwt.revokeAllRefresh(user),
  },
  {
    by: 'the reuse of its refresh token',
    revoke: async (jwt, _user, { refreshToken }) => {
      await jwt.refresh(refreshToken);
      await jwt.refresh(refreshToken).catch(() => undefined);
    },
  },
];

describe.each(ADAPTERS)('check: family on %s', (adapter) => {
  let test: JwtApp;
  let otherNode: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp({ check: 'family' }, { adapter });
    otherNode = await startJwtApp({ check: 'family' }, { adapter, databaseUrl: test.databaseUrl, clock: test.clock });
  });
  afterAll(async () => {
    await otherNode.close();
    await test.close();
  });

  it.each(REVOCATIONS)(
    'refuses the next request after the family is ended by $by',
    async ({ revoke, reason = REVOKED }) => {
      const pair = await test.jwt.generateTokens(test.user, ['read:notes']);
      const before = await otherNode.present(pair.accessToken);

      await revoke(test.jwt, test.user, pair);
      const after = await answerOf(await otherNode.present(pair.accessToken));

      expect(before.status).toBe(200);
      expect(after).toEqual(INVALID_TOKEN);
      expect(await reasonOf(otherNode.jwt.verifyAccess(pair.accessToken))).toEqual(reason);
    },
  );

  it('refuses all access tokens of a family, and none of another family of the same user', async () => {
    const [first, second] = [
      await test.jwt.generateTokens(test.user, ['*']),
      await test.jwt.generateTokens(test.user, ['*']),
    ];
    const refreshed = await test.jwt.refresh(first.refreshToken);

    await test.jwt.revokeRefresh(refreshed.refreshToken);
    const answers = await Promise.all([first, refreshed, second].map(({ accessToken }) => test.present(accessToken)));

    expect(answers.map(({ status }) => status)).toEqual([401, 401, 200]);
  });

  it('also refuses after the user signs out everywhere or is deactivated', async () => {
    const user = await test.addUser('careful@example.com');
    const [early, late] = [await test.jwt.generateTokens(user, ['*']), await test.jwt.generateTokens(user, ['*'])];

    await test.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [user.id]);
    const inactive = await reasonOf(test.jwt.verifyAccess(early.accessToken));
    await test.dataSource.query('UPDATE users SET disabled_at = NULL WHERE id = $1', [user.id]);
    await test.jwt.signOutEverywhere(user);
    const signedOut = await reasonOf(test.jwt.verifyAccess(late.accessToken));

    expect([inactive.code, signedOut.code]).toEqual(['invalid_token', 'epoch_mismatch']);
  });

  it('refuses a token whose family has got an earlier end with the API token that made it', async () => {
    const user = await test.addUser('rotated@example.com');
    const { token } = await test.tokens.create(user, { name: 'CI', scopes: ['*'] });
    const principal = { user, userId: user.id, method: 'api_token', scopes: ['*'], tokenId: token.id } as const;
    const { accessToken } = await test.jwt.generateTokens(user, ['*'], { principal });
    const inSeconds = (seconds: number) => new Date(test.clock.now().getTime() + seconds * 1000);

    await test.tokens.rotate(token.id, { expiresAt: inSeconds(60) });
    const before = await test.present(accessToken);
    test.clock.advance({ seconds: 65 });

    expect(before.status).toBe(200);
    expect(await reasonOf(otherNode.jwt.verifyAccess(accessToken))).toEqual({
      code: 'token_expired',
      message: 'The family has ended.',
    });
  });

  it('refuses a token whose family has been cleaned up', async () => {
    const { accessToken } = await test.jwt.generateTokens(test.user, ['*']);

    await test.dataSource.query('DELETE FROM sigra_refresh_families');

    expect(await reasonOf(test.jwt.verifyAccess(accessToken))).toEqual(REVOKED);
  });
});

describe('check: family reads', () => {
  let test: JwtApp;
  let queries: QueryLog;

  beforeAll(async () => {
    test = await startJwtApp({ check: 'family', keys: HOSTILE_APP.sigra.jwt.keys });
    queries = QueryLog.of(test.dataSource);
  });
  afterAll(() => test.close());

  it('users, epochs and families of all tokens in one query', async () => {
    const users = await Promise.all(Array.from({ length: 10 }, (_, index) => test.addUser(`${index}@example.com`)));
    const pairs = await Promise.all([...users, ...users].map((user) => test.jwt.generateTokens(user, ['*'])));
    await test.jwt.revokeRefresh(pairs[3]!.refreshToken);
    queries.clear();

    const outcomes = await Promise.all(
      pairs.map(({ accessToken }) =>
        test.jwt.verifyAccess(accessToken).then(
          () => 'accepted',
          (error: unknown) => (error as { code: string }).code,
        ),
      ),
    );

    expect(outcomes.filter((outcome) => outcome === 'accepted')).toHaveLength(19);
    expect(outcomes[3]).toBe('token_revoked');
    expect(queries.queries).toHaveLength(1);
  });

  it('neither families of other users nor missing families', async () => {
    const grace = await test.addUser('grace@example.com');
    const { sid } = await test.jwt.verifyAccess((await test.jwt.generateTokens(grace, ['*'])).accessToken);
    const good = await signWithJose(KEYS.rsa, standardClaims(test.user.id, test.clock.now()));
    const own = await test.jwt.verifyAccess((await test.jwt.generateTokens(test.user, ['*'])).accessToken);

    const accepted = await test.jwt.verifyAccess(resign(good, { payload: { sid: own.sid } }));
    const reasons = await Promise.all(
      [sid, randomUUID(), String(own.sid).toUpperCase()].map((each) =>
        reasonOf(test.jwt.verifyAccess(resign(good, { payload: { sid: each } }))),
      ),
    );

    expect(accepted.sid).toBe(own.sid);
    expect(reasons).toEqual([REVOKED, REVOKED, { code: 'invalid_token', message: 'sid is not the id of a family.' }]);
  });
});
