import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HealthProbe, TokenCleanupService } from 'nestjs-sigra';
import { flushBackgroundWrites } from 'nestjs-sigra/testing';
import { hashOf, LeakScanner } from '../support/leak-scanner.js';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const DAY = 86_400;
const ROTATED_WITHIN = 7 * DAY;
const GRACE = 600;

describe('A token that was rotated, with leaks.rotatedWithin of a week', () => {
  let scanner: LeakScanner;
  let test: TestApp;

  beforeAll(async () => {
    scanner = await LeakScanner.start();
    test = await startTestApp({
      sigra: {
        controllers: { leaks: 'leaks' },
        apiTokens: { scopes: ['read:notes'], idleTtl: 2 * DAY },
        leaks: { keysUrl: scanner.keysUrl, rotatedWithin: ROTATED_WITHIN },
        cleanup: { schedule: false, revokedRetention: ROTATED_WITHIN },
      },
    });
  });
  afterAll(async () => {
    await test.close();
    await scanner.close();
  });

  /** A token, and the successor that a thief can have rotated it to. */
  const rotated = async (graceSeconds: number) => {
    const old = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });
    return { old, successor: await test.tokens.rotate(old.token.id, { graceSeconds }) };
  };
  const cleanUp = () => test.get(TokenCleanupService).cleanupExpiredTokens();
  const report = async (token: string) => {
    const answer = await scanner.report(`${test.url}/leaks`, [{ token }]);
    const [verdict] = (await answer.json()) as { token_hash: string; label: string }[];
    expect(verdict?.token_hash).toBe(hashOf(token));
    return verdict?.label;
  };
  /** Passes time in which the successor is used. */
  const pass = async (seconds: number, { rawToken }: { rawToken: string }) => {
    for (let left = seconds; left > 0; left -= DAY) {
      test.clock.advance({ seconds: Math.min(left, DAY) });
      await test.tokens.verify(rawToken);
      await flushBackgroundWrites(test.app);
    }
  };

  it.each([
    ['with a grace period', GRACE],
    ['without a grace period', 0],
    ['with a grace period that outlives idleTtl', 3 * DAY],
  ])('still ends its successor %s, after clean-up', async (_how, grace) => {
    const { old, successor } = await rotated(grace);
    await pass(grace + ROTATED_WITHIN - 1, successor);

    await cleanUp();

    expect(await report(old.rawToken)).toBe('true_positive');
    expect(await refusalOf(test.tokens.verify(successor.rawToken))).toBe('token_revoked');
  });

  it('is deleted afterwards', async () => {
    const { old, successor } = await rotated(GRACE);
    await pass(GRACE + ROTATED_WITHIN, successor);

    const { expiredTokens } = await cleanUp();

    expect(expiredTokens).toBe(1);
    expect(await report(old.rawToken)).toBe('false_positive');
    expect(await test.tokens.verify(successor.rawToken)).toMatchObject({ id: successor.token.id });
  });

  it('does not keep other expired tokens, and does not make clean-up overdue', async () => {
    const { old, successor } = await rotated(GRACE);
    const expiresAt = new Date(test.clock.now().getTime() + GRACE * 1000);
    const expired = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'], expiresAt });
    await pass(GRACE + 6 * DAY, successor);

    await cleanUp();

    expect(await test.tokens.lookup(old.rawToken)).toMatchObject({ state: 'expired' });
    expect(await test.tokens.lookup(expired.rawToken)).toBeUndefined();
    expect(await test.get(HealthProbe).check()).toMatchObject({ status: 'up', cleanup: 'on_time' });
  });
});
