import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { auditActions } from '../support/audit-rows.js';
import { familyIdOf, joinJwtApp, JWT, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { JwtNode, type Outcome } from '../support/jwt-node.js';
import { holdingFamilies, untilWaiting } from '../support/locks.js';
import { eventually } from '../support/eventually.js';
import { familyRow, refreshRows } from '../support/family-rows.js';
import { rounds } from '../support/rounds.js';
import { refusalOf } from '../support/refusal.js';
import type { User } from '../support/test-app.js';

/** One for each order of revocation and refresh. */
const ROUNDS = rounds(3);
const NODES = 4;
/** Presentations of one token on each node; 200 in total. */
const PRESENTATIONS = 50;
/** Connections of each node. */
const POOL = 10;
const LEEWAYS = [0, 10];

jest.setTimeout(180_000);

/** The number of occurrences of each value. */
function tally(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

describe(`${NODES * PRESENTATIONS} concurrent presentations of one refresh token, from ${NODES} processes`, () => {
  let strict: JwtApp;
  let lenient: JwtApp;
  let nodes: JwtNode[];

  beforeAll(async () => {
    strict = await startJwtApp();
    lenient = await joinJwtApp(strict, { reuseLeeway: 10 });
    const setup = {
      databaseUrl: strict.databaseUrl,
      jwt: JWT,
      leeways: LEEWAYS,
      clock: { time: strict.clock.now().toJSON() },
    };
    nodes = await Promise.all(Array.from({ length: NODES }, () => JwtNode.start(setup)));
  });
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    await lenient.close();
    await strict.close();
  });

  let users = 0;
  const signIn = async () => {
    const user = await strict.addUser(`user-${++users}@example.com`);
    const pair = await strict.jwt.generateTokens(user, ['read:notes']);
    return { user, pair, familyId: familyIdOf(pair) };
  };
  type SignedIn = Awaited<ReturnType<typeof signIn>>;

  const presentEverywhere = async (leeway: number, token: string): Promise<Outcome[]> => {
    const tokens = Array.from({ length: PRESENTATIONS }, () => token);
    const outcomes = await Promise.all(nodes.map((node) => node.refresh(leeway, tokens)));
    return outcomes.flat().map((outcome) => outcome ?? { refusal: 'the node died' });
  };
  const pairsOf = (outcomes: readonly Outcome[]) => outcomes.flatMap(({ pair }) => pair ?? []);
  const refusalsOf = (outcomes: readonly Outcome[]) => tally(outcomes.flatMap(({ refusal }) => refusal ?? []));

  /** In every second round they all wait for a lock first; in the others they run freely. */
  const presentInRound = async (round: number, leeway: number, { pair, familyId }: SignedIn) => {
    if (round % 2) return presentEverywhere(leeway, pair.refreshToken);
    let presented: Promise<Outcome[]> | undefined;
    await holdingFamilies(strict.dataSource, [familyId], async () => {
      presented = presentEverywhere(leeway, pair.refreshToken);
      await untilWaiting(strict.dataSource, NODES * POOL);
    });
    return presented!;
  };

  it('give one pair and revoke the family once, without a leeway', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const signedIn = await signIn();

      const outcomes = await presentInRound(round, 0, signedIn);

      const pairs = pairsOf(outcomes);
      const rows = await refreshRows(strict.dataSource, signedIn.familyId);
      expect(pairs).toHaveLength(1);
      expect(refusalsOf(outcomes)).toEqual({ reuse_detected: 1, token_revoked: NODES * PRESENTATIONS - 2 });
      expect(rows).toHaveLength(2);
      expect(await familyRow(strict.dataSource, signedIn.familyId)).toMatchObject({
        revoke_reason: 'reuse_detected',
      });
      expect(tally(await auditActions(strict.dataSource, signedIn.familyId))).toEqual({
        'api.jwt_issue': 1,
        'api.jwt_refresh': 1,
        'api.jwt_refresh_reuse': 1,
      });
      expect(await refusalOf(strict.jwt.refresh(pairs[0]!.refreshToken))).toBe('token_revoked');
    }
  });

  it('give all clients one successor and keep the family valid, with a leeway', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const signedIn = await signIn();

      const outcomes = await presentInRound(round, 10, signedIn);

      const pairs = pairsOf(outcomes);
      const successors = [...new Set(pairs.map(({ refreshToken }) => refreshToken))];
      expect(refusalsOf(outcomes)).toEqual({});
      expect(successors).toHaveLength(1);
      expect(new Set(pairs.map(({ accessToken }) => accessToken)).size).toBe(NODES * PRESENTATIONS);
      expect(await refreshRows(strict.dataSource, signedIn.familyId)).toHaveLength(2);
      expect(tally(await auditActions(strict.dataSource, signedIn.familyId))).toEqual({
        'api.jwt_issue': 1,
        'api.jwt_refresh': 1,
        'api.jwt_refresh_replay': NODES * PRESENTATIONS - 1,
      });
      expect(await lenient.jwt.refresh(successors[0]!)).toMatchObject({ scope: 'read:notes' });
    }
  });

  /**
   * The revocation runs among them, before them, or after some that already wait.
   *
   * @param locks how many statements of the revocation wait for the family's lock: a sign-out everywhere needs none
   */
  const presentAgainst = async (
    end: () => Promise<void>,
    locks: 0 | 1,
    round: number,
    leeway: number,
    { pair, familyId }: SignedIn,
  ) => {
    let presented: Promise<Outcome[]> | undefined;
    let ended: Promise<void> | undefined;
    const start = () => (presented = presentEverywhere(leeway, pair.refreshToken));
    const stop = () => (ended = end());
    if (round % 3 === 0) {
      await Promise.all([start(), stop()]);
    } else {
      await holdingFamilies(strict.dataSource, [familyId], async () => {
        const endFirst = round % 3 === 1;
        void (endFirst ? stop() : start());
        if (endFirst && locks === 0) await ended;
        await untilWaiting(strict.dataSource, endFirst ? locks : NODES * POOL);
        void (endFirst ? start() : stop());
        if (locks === 0) await ended;
        await untilWaiting(strict.dataSource, NODES * POOL + locks);
      });
    }
    await ended;
    return presented!;
  };

  /** In either order, no refresh token of the family works, and no access token where the check reads its state. */
  const expectDead = async ({ pair, familyId }: SignedIn, outcomes: readonly Outcome[]) => {
    const successors = [...new Set(pairsOf(outcomes).map(({ refreshToken }) => refreshToken))];
    expect(successors.length).toBeLessThanOrEqual(1);
    for (const refreshToken of [pair.refreshToken, ...successors]) {
      // A used token is reuse also in a family that was signed out, once.
      expect(['token_revoked', 'reuse_detected']).toContain(await refusalOf(strict.jwt.refresh(refreshToken)));
      expect(await refusalOf(lenient.jwt.refresh(refreshToken))).toBe('token_revoked');
    }
    // A sweep skips a family that is locked, and marks it later.
    await eventually(async () => (await familyRow(strict.dataSource, familyId)).revoked_at !== null);
    return successors.length;
  };

  it.each(LEEWAYS)('leave no valid token after a concurrent revocation, with a leeway of %i s', async (leeway) => {
    for (let round = 0; round < ROUNDS; round++) {
      const signedIn = await signIn();

      const outcomes = await presentAgainst(
        () => strict.jwt.revokeRefresh(signedIn.pair.refreshToken),
        1,
        round,
        leeway,
        signedIn,
      );

      const successors = await expectDead(signedIn, outcomes);
      const audit = tally(await auditActions(strict.dataSource, signedIn.familyId));
      const {
        'api.jwt_revoke': revoked = 0,
        'api.jwt_refresh_reuse': reuse = 0,
        'api.jwt_refresh': rotated = 0,
      } = audit;
      expect(rotated).toBe(successors);
      // One of the two revoked it.
      expect(revoked + reuse).toBeGreaterThanOrEqual(1);
      expect([revoked, reuse].every((count) => count <= 1)).toBe(true);
      if (leeway > 0) expect(revoked).toBe(1);
      else expect(pairsOf(outcomes)).toHaveLength(rotated);
    }
  });

  it.each(LEEWAYS)(
    'leave no valid token after a concurrent sign-out everywhere, with a leeway of %i s',
    async (leeway) => {
      for (let round = 0; round < ROUNDS; round++) {
        const signedIn = await signIn();
        const { user, pair, familyId } = signedIn;

        const outcomes = await presentAgainst(() => strict.jwt.signOutEverywhere(user), 0, round, leeway, signedIn);

        const successors = await expectDead(signedIn, outcomes);
        const audit = tally(await auditActions(strict.dataSource, familyId));
        const accessTokens = [pair, ...pairsOf(outcomes)].map(({ accessToken }) => accessToken);
        const refusals = await Promise.all(accessTokens.map((token) => refusalOf(strict.jwt.verifyAccess(token))));
        expect(new Set(refusals)).toEqual(new Set(['epoch_mismatch']));
        expect(audit['api.jwt_refresh'] ?? 0).toBe(successors);
        expect(await auditActions(strict.dataSource, user.id)).toEqual(['api.sign_out_everywhere']);
        await expectNextSignInWorks(user);
      }
    },
  );

  const expectNextSignInWorks = async (user: User) => {
    const next = await strict.jwt.generateTokens(user, ['read:notes']);
    expect(await strict.jwt.verifyAccess(next.accessToken)).toMatchObject({ epoch: 1 });
    await strict.jwt.refresh(next.refreshToken);
  };
});
