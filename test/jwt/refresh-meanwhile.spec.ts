import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TokenCleanupService, type TokenPair } from 'nestjs-sigra';
import { auditActions } from '../support/audit-rows.js';
import { familyIdOf, joinJwtApp, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { refreshRows } from '../support/family-rows.js';
import { refusalOf } from '../support/refusal.js';

/** The application's claims run between the read of a token and its use, so a test can change the state there. */
describe('a change between the read of a refresh token and its use', () => {
  let slow: JwtApp;
  let other: JwtApp;
  let pair: TokenPair;
  let meanwhile: (() => Promise<unknown>) | undefined;

  beforeAll(async () => {
    slow = await startJwtApp({
      claims: async () => {
        await meanwhile?.();
        return {};
      },
    });
    other = await joinJwtApp(slow);
  });
  afterAll(async () => {
    await other.close();
    await slow.close();
  });
  beforeEach(async () => {
    meanwhile = undefined;
    pair = await slow.jwt.generateTokens(slow.user, ['read:notes']);
  });

  const refresh = (event: () => Promise<unknown>) => {
    meanwhile = event;
    return slow.jwt.refresh(pair.refreshToken);
  };

  it.each([
    { event: 'the family is revoked', run: () => other.jwt.revokeRefresh(pair.refreshToken), code: 'token_revoked' },
    {
      event: 'all families of the user are revoked',
      run: () => other.jwt.revokeAllRefresh(slow.user),
      code: 'token_revoked',
    },
    {
      event: 'the user signs out everywhere',
      run: () => other.jwt.signOutEverywhere(slow.user),
      code: 'token_revoked',
    },
    {
      event: 'the family is idle for too long',
      run: () => {
        slow.clock.advance({ days: 30 });
        return Promise.resolve();
      },
      code: 'token_expired',
    },
    {
      event: 'the family ends and is cleaned up',
      run: () => {
        slow.clock.advance({ days: 90 });
        return other.get(TokenCleanupService).cleanupExpiredTokens();
      },
      code: 'token_expired',
    },
  ])('takes effect: if $event, the refresh is refused with $code', async ({ run, code }) => {
    const refusal = await refusalOf(refresh(run));

    const rows = await refreshRows(slow.dataSource, familyIdOf(pair));
    expect(refusal).toBe(code);
    expect(rows.filter(({ parent_id }) => parent_id !== null)).toEqual([]);
    expect(await auditActions(slow.dataSource, familyIdOf(pair))).not.toContain('api.jwt_refresh');
  });

  it('takes effect: if another client uses the token, the refresh counts as reuse', async () => {
    let won: TokenPair | undefined;

    const refusal = await refusalOf(refresh(async () => (won = await other.jwt.refresh(pair.refreshToken))));

    expect(refusal).toBe('reuse_detected');
    expect(await refusalOf(other.jwt.refresh(won!.refreshToken))).toBe('token_revoked');
    expect(await auditActions(slow.dataSource, familyIdOf(pair))).toEqual([
      'api.jwt_issue',
      'api.jwt_refresh',
      'api.jwt_refresh_reuse',
    ]);
  });

  it('blocks no other caller, because no lock is held during the application’s own work', async () => {
    let revoked = false;

    await refusalOf(
      refresh(async () => {
        await other.jwt.revokeFamily(slow.user, familyIdOf(pair));
        revoked = true;
      }),
    );

    expect(revoked).toBe(true);
  });
});
