import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ApiToken, IssuedApiToken } from 'nestjs-sigra';
import { auditActions } from '../support/audit-rows.js';
import { refusalOf } from '../support/refusal.js';
import { rounds } from '../support/rounds.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };
const ROUNDS = rounds(5);

/** The outcome of each call: its result, or the code of its error. */
function outcomesOf<T>(calls: readonly Promise<T>[]): Promise<(T | { refused: string })[]> {
  return Promise.all(calls.map((call) => call.catch(async () => ({ refused: await refusalOf(call) }))));
}

function isRefused(outcome: object): outcome is { refused: string } {
  return 'refused' in outcome;
}

describe('concurrent calls for one token, on two nodes', () => {
  let test: TestApp;
  let other: TestApp;
  const create = () => test.tokens.create(test.user, REQUEST);
  const nodes = (count: number) => Array.from({ length: count }, (_, turn) => (turn % 2 ? test : other).tokens);

  beforeAll(async () => {
    test = await startTestApp();
    other = await startTestApp({ databaseUrl: test.databaseUrl, clock: test.clock });
  });
  afterAll(async () => {
    await other.close();
    await test.close();
  });

  it.each([0, 60])('exactly one of 50 rotations with a grace of %i s succeeds', async (graceSeconds) => {
    const { token } = await create();

    const outcomes = await outcomesOf(nodes(50).map((tokens) => tokens.rotate(token.id, { graceSeconds })));

    const won = outcomes.filter((outcome): outcome is IssuedApiToken => !isRefused(outcome));
    const refusals = outcomes.filter(isRefused).map(({ refused }) => refused);
    expect(won).toHaveLength(1);
    expect(refusals).toEqual(Array.from({ length: 49 }, () => 'token_revoked'));
    expect(await test.tokens.verify(won[0]!.rawToken)).toEqual(won[0]!.token);
    expect(await auditActions(test.dataSource, token.id)).toEqual(['api.token_create', 'api.token_rotate']);
  });

  it('50 revocations all resolve to the same revocation and write one audit row', async () => {
    const { token } = await create();

    const outcomes = await Promise.all(nodes(50).map((tokens) => tokens.revoke(token.id)));

    expect(new Set(outcomes.map((outcome) => JSON.stringify(outcome))).size).toBe(1);
    expect(await auditActions(test.dataSource, token.id)).toEqual(['api.token_create', 'api.token_revoke']);
  });

  it('10 revocations of all tokens count each token once, and never deadlock', async () => {
    const user = await test.addUser('grace@example.com');
    await Promise.all(Array.from({ length: 30 }, () => test.tokens.create(user, REQUEST)));

    const counts = await Promise.all(nodes(10).map((tokens) => tokens.revokeAll(user)));

    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(30);
    expect(await test.tokens.listActive(user)).toMatchObject({ tokens: [] });
  });

  it('a revocation and a rotation are serialized, in either order', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const old = await create();
      const calls = [() => other.tokens.rotate(old.token.id), () => test.tokens.revoke(old.token.id)];
      if (round % 2) calls.reverse();

      const outcomes = await outcomesOf<IssuedApiToken | ApiToken>(calls.map((call) => call()));

      const refusals = outcomes.filter(isRefused).map(({ refused }) => refused);
      const actions = await auditActions(test.dataSource, old.token.id);
      expect(await refusalOf(test.tokens.verify(old.rawToken))).toBe('token_revoked');
      // If the rotation is first, the token is already revoked; otherwise the rotation fails.
      expect([refusals, actions]).toEqual(
        refusals.length === 0
          ? [[], ['api.token_create', 'api.token_rotate']]
          : [['token_revoked'], ['api.token_create', 'api.token_revoke']],
      );
    }
  });

  it('no successor of a rotation survives a revocation of all tokens', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const user = await test.addUser(`user-${round}@example.com`);
      const issued = await Promise.all(Array.from({ length: 8 }, () => test.tokens.create(user, REQUEST)));

      const rotations = issued.map(({ token }) => other.tokens.rotate(token.id, { graceSeconds: round % 2 }));
      const revocation = test.tokens.revokeAll(user);
      await Promise.all([outcomesOf(rotations), revocation]);

      // A revoked token cannot be rotated, so no token may be active at the end.
      expect(await test.tokens.listActive(user)).toEqual({ tokens: [], nextCursor: null });
    }
  });

  it('no token that a revoked token creates survives a revocation of all tokens', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const user = await test.addUser(`maker-${round}@example.com`);
      const { token } = await test.tokens.create(user, { name: 'CI', scopes: ['api_tokens:write'] });
      const principal = { user, userId: user.id, method: 'api_token', scopes: ['*'], tokenId: token.id } as const;

      const makings = nodes(12).map((tokens) => tokens.create(user, REQUEST, { principal }));
      const revocation = test.tokens.revokeAll(user);
      const [outcomes] = await Promise.all([outcomesOf(makings), revocation]);

      // Each token is created before the revocation and revoked by it, or its creation is rejected.
      expect(outcomes.filter(isRefused).every(({ refused }) => refused === 'token_revoked')).toBe(true);
      expect(await test.tokens.listActive(user)).toEqual({ tokens: [], nextCursor: null });
    }
  });
});
