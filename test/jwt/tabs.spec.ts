import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { auditActions } from '../support/audit-rows.js';
import { familyRow } from '../support/family-rows.js';
import { familyIdOf, joinJwtApp, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { refusalOf } from '../support/refusal.js';
import { rounds } from '../support/rounds.js';
import { SeededRandom, seedOfRun } from '../support/seeded-random.js';

const USERS = rounds(60);
const [MOST_TABS, LONGEST_LATENCY_MS, LONGEST_RESTORE_MS] = [20, 160, 1000];

/** What the tabs of one browser share. */
interface Browser {
  refreshToken: string;
}

/**
 * One tab that the browser restores: it reads the token that is stored at that time, and refreshes with it. Request and
 * answer take time, so other tabs store their answers in between. A tab with a token that is not the stored one any more
 * stores its answer too.
 */
async function restoreTab(node: JwtApp, browser: Browser, delays: readonly [number, number, number]): Promise<boolean> {
  const [restored, request, answer] = delays;
  await pause(restored);
  const { refreshToken } = browser;
  await pause(request);
  try {
    const pair = await node.jwt.refresh(refreshToken);
    await pause(answer);
    browser.refreshToken = pair.refreshToken;
    return true;
  } catch {
    return false;
  }
}

describe('Tabs that a browser restores together, with a leeway of 30 s', () => {
  let test: JwtApp;
  let nodes: JwtApp[];

  beforeAll(async () => {
    test = await startJwtApp({ reuseLeeway: 30 });
    nodes = [test, await joinJwtApp(test, { reuseLeeway: 30 })];
  });
  afterAll(async () => {
    for (const node of nodes.reverse()) await node.close();
  });

  it(
    'sign out none of the users, for 2 to 20 tabs on two nodes',
    async () => {
      const random = new SeededRandom(seedOfRun());
      const users = Array.from({ length: USERS }, () => {
        const within = 100 + random.below(LONGEST_RESTORE_MS - 100);
        const tabs = 2 + random.below(MOST_TABS - 1);
        return Array.from(
          { length: tabs },
          () =>
            [
              random.below(within),
              5 + random.below(LONGEST_LATENCY_MS / 2),
              5 + random.below(LONGEST_LATENCY_MS / 2),
            ] as const,
        );
      });

      const signedOut: string[] = [];
      let generations = 0;
      // Five browsers at a time, because the machine has few cores.
      for (let next = 0; next < users.length; next += 5) {
        await Promise.all(
          users.slice(next, next + 5).map(async (tabs) => {
            const pair = await test.jwt.generateTokens(test.user, ['read:notes']);
            const browser = { refreshToken: pair.refreshToken };
            const outcomes = await Promise.all(tabs.map((delays, tab) => restoreTab(nodes[tab % 2]!, browser, delays)));
            const last = await test.jwt.refresh(browser.refreshToken).catch(() => undefined);
            const { revoked_at } = await familyRow(test.dataSource, familyIdOf(pair));
            if (outcomes.includes(false) || !last || revoked_at !== null) signedOut.push(familyIdOf(pair));
            const actions = await auditActions(test.dataSource, familyIdOf(pair));
            generations += actions.filter((action) => action === 'api.jwt_refresh').length;
          }),
        );
      }

      expect([random.seed, signedOut]).toEqual([random.seed, []]);
      // Tabs of several generations met, or the test would show nothing.
      expect(generations).toBeGreaterThan(2 * USERS);
    },
    60_000 + USERS * 2000,
  );
});

describe.each([0, 30])('A thief of a refresh token, with a leeway of %i s', (reuseLeeway) => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp({ reuseLeeway });
  });
  afterAll(() => test.close());

  it('is found after the window, however often the owner has refreshed', async () => {
    for (const refreshes of [1, 2, 5]) {
      const stolen = await test.jwt.generateTokens(test.user, ['read:notes']);
      let own = stolen;
      for (let turn = 0; turn < refreshes; turn++) own = await test.jwt.refresh(own.refreshToken);
      test.clock.advance({ seconds: 30 });

      const thief = await refusalOf(test.jwt.refresh(stolen.refreshToken));

      expect(thief).toBe('reuse_detected');
      expect(await refusalOf(test.jwt.refresh(own.refreshToken))).toBe('token_revoked');
    }
  });

  it('is found when the owner comes after the window, if the thief was first', async () => {
    const stolen = await test.jwt.generateTokens(test.user, ['read:notes']);
    const thief = await test.jwt.refresh(stolen.refreshToken);
    test.clock.advance({ seconds: 30 });

    const owner = await refusalOf(test.jwt.refresh(stolen.refreshToken));

    expect(owner).toBe('reuse_detected');
    expect(await refusalOf(test.jwt.refresh(thief.refreshToken))).toBe('token_revoked');
  });
});

describe('A thief of a refresh token who comes within the window', () => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp({ reuseLeeway: 30 });
  });
  afterAll(() => test.close());

  it.each([
    ['the owner refreshes next', 'owner'],
    ['the thief refreshes next', 'thief'],
  ])('has the same token as the owner, and the next use of a superseded token finds both: %s', async (_what, next) => {
    const stolen = await test.jwt.generateTokens(test.user, ['read:notes']);
    const owner = await test.jwt.refresh((await test.jwt.refresh(stolen.refreshToken)).refreshToken);
    const thief = await test.jwt.refresh(stolen.refreshToken);
    test.clock.advance({ minutes: 15 });
    const [first, second] = next === 'owner' ? [owner, thief] : [thief, owner];
    const continued = await test.jwt.refresh(first.refreshToken);
    test.clock.advance({ seconds: 30 });

    const refusal = await refusalOf(test.jwt.refresh(second.refreshToken));

    expect(thief.refreshToken).toBe(owner.refreshToken);
    expect(refusal).toBe('reuse_detected');
    expect(await refusalOf(test.jwt.refresh(continued.refreshToken))).toBe('token_revoked');
  });
});

describe('Tabs without a leeway', () => {
  it('that present the same token are signed out, as documented', async () => {
    const test = await startJwtApp();
    const pair = await test.jwt.generateTokens(test.user, ['read:notes']);
    const browser = { refreshToken: pair.refreshToken };

    const outcomes = await Promise.all([0, 1, 2].map(() => restoreTab(test, browser, [0, 1, 1])));
    const family = await familyRow(test.dataSource, familyIdOf(pair));
    await test.close();

    expect(outcomes.filter(Boolean)).toHaveLength(1);
    expect(family).toMatchObject({ revoke_reason: 'reuse_detected' });
  });
});
