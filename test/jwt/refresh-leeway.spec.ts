import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TokenCleanupService } from 'nestjs-sigra';
import { auditActions } from '../support/audit-rows.js';
import { claimsOf, familyIdOf, joinJwtApp, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { familyRow, refreshRows } from '../support/family-rows.js';
import { refusalOf } from '../support/refusal.js';

const SCOPES = ['read:notes', 'write:notes'];

describe('a refresh token that is presented again, with a leeway of 10 s', () => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp({ reuseLeeway: 10 });
  });
  afterAll(() => test.close());

  const rotated = async () => {
    const first = await test.jwt.generateTokens(test.user, SCOPES);
    const second = await test.jwt.refresh(first.refreshToken);
    return { first, second, familyId: familyIdOf(first) };
  };
  const sealed = async (familyId: string) =>
    (await refreshRows(test.dataSource, familyId)).map(({ sealed_successor }) => sealed_successor !== null);

  it('returns the same successor and a new access token every time', async () => {
    const { first, second, familyId } = await rotated();
    test.clock.advance({ seconds: 5 });

    const again = await test.jwt.refresh(first.refreshToken);
    const oncemore = await test.jwt.refresh(first.refreshToken);

    const ids = [second, again, oncemore].map(({ accessToken }) => claimsOf(accessToken).jti);
    expect([again.refreshToken, oncemore.refreshToken]).toEqual([second.refreshToken, second.refreshToken]);
    expect(new Set(ids).size).toBe(3);
    expect(await test.jwt.verifyAccess(again.accessToken)).toMatchObject({ sid: familyId, epoch: 0 });
    expect(again).toMatchObject({ expiresIn: 900, scope: 'read:notes write:notes' });
    expect(await refreshRows(test.dataSource, familyId)).toHaveLength(2);
    expect(await auditActions(test.dataSource, familyId)).toEqual([
      'api.jwt_issue',
      'api.jwt_refresh',
      'api.jwt_refresh_replay',
      'api.jwt_refresh_replay',
    ]);
  });

  it('is replayed up to the last millisecond of the window, and counts as reuse after it', async () => {
    const { first, second, familyId } = await rotated();

    test.clock.advance({ milliseconds: 9_999 });
    const justInTime = await test.jwt.refresh(first.refreshToken);
    test.clock.advance({ milliseconds: 1 });
    const late = await refusalOf(test.jwt.refresh(first.refreshToken));

    expect(justInTime.refreshToken).toBe(second.refreshToken);
    expect(late).toBe('reuse_detected');
    expect(await familyRow(test.dataSource, familyId)).toMatchObject({ revoke_reason: 'reuse_detected' });
    expect(await refusalOf(test.jwt.refresh(second.refreshToken))).toBe('token_revoked');
  });

  it('returns the unused token of the family when its successor is used, however many came after it', async () => {
    const { first, second, familyId } = await rotated();
    let last = second;
    for (let turn = 0; turn < 20; turn++) last = await test.jwt.refresh(last.refreshToken);

    const again = await test.jwt.refresh(first.refreshToken);
    const next = await test.jwt.refresh(again.refreshToken);

    expect(again.refreshToken).toBe(last.refreshToken);
    expect(await test.jwt.verifyAccess(next.accessToken)).toMatchObject({ sid: familyId });
    expect((await auditActions(test.dataSource, familyId)).slice(-2)).toEqual([
      'api.jwt_refresh_replay',
      'api.jwt_refresh',
    ]);
  });

  it('counts as reuse after its own window, when its successor was used a moment ago', async () => {
    const { first, second, familyId } = await rotated();
    test.clock.advance({ milliseconds: 9_999 });
    const third = await test.jwt.refresh(second.refreshToken);

    const justInTime = await test.jwt.refresh(first.refreshToken);
    test.clock.advance({ milliseconds: 1 });
    const refusal = await refusalOf(test.jwt.refresh(first.refreshToken));

    expect(justInTime.refreshToken).toBe(third.refreshToken);
    expect(refusal).toBe('reuse_detected');
    expect(await familyRow(test.dataSource, familyId)).toMatchObject({ revoke_reason: 'reuse_detected' });
  });

  it('counts as reuse after more than a hundred refreshes within the window', async () => {
    const { first, second } = await rotated();
    let last = second;
    for (let turn = 0; turn < 99; turn++) last = await test.jwt.refresh(last.refreshToken);
    const hundredth = await test.jwt.refresh(first.refreshToken);
    await test.jwt.refresh(last.refreshToken);

    expect(hundredth.refreshToken).toBe(last.refreshToken);
    expect(await refusalOf(test.jwt.refresh(first.refreshToken))).toBe('reuse_detected');
  });

  it('does not extend its window through replays', async () => {
    const { first } = await rotated();
    test.clock.advance({ seconds: 8 });
    await test.jwt.refresh(first.refreshToken);
    test.clock.advance({ seconds: 8 });

    expect(await refusalOf(test.jwt.refresh(first.refreshToken))).toBe('reuse_detected');
  });

  it('returns a successor that works like any other token', async () => {
    const { first } = await rotated();
    const again = await test.jwt.refresh(first.refreshToken);

    const third = await test.jwt.refresh(again.refreshToken);

    expect(await test.jwt.verifyAccess(third.accessToken)).toMatchObject({ sub: test.user.id });
  });

  it('keeps its successor sealed until the successor is used after the window', async () => {
    const [soon, late] = [await rotated(), await rotated()];

    test.clock.advance({ milliseconds: 9_999 });
    await test.jwt.refresh(soon.second.refreshToken);
    test.clock.advance({ milliseconds: 1 });
    await test.jwt.refresh(late.second.refreshToken);

    expect(await sealed(soon.familyId)).toEqual([true, true, false]);
    expect(await sealed(late.familyId)).toEqual([false, true, false]);
  });

  it('leads to no token that is in use, once the family was refreshed after the window', async () => {
    const { second, familyId } = await rotated();
    const third = await test.jwt.refresh(second.refreshToken);
    test.clock.advance({ seconds: 10 });

    await test.jwt.refresh(third.refreshToken);

    // The chain of seals from the first token ends at the third, which is used.
    expect(await sealed(familyId)).toEqual([true, false, true, false]);
  });

  it('keeps its successor sealed until clean-up an hour later', async () => {
    const { familyId } = await rotated();
    const cleanup = test.get(TokenCleanupService);

    test.clock.advance({ milliseconds: 3_599_999 });
    await cleanup.cleanupExpiredTokens();
    const before = await sealed(familyId);
    test.clock.advance({ milliseconds: 1 });
    await cleanup.cleanupExpiredTokens();

    expect(before).toEqual([true, false]);
    expect(await sealed(familyId)).toEqual([false, false]);
  });

  it('counts as reuse on a node without a leeway, even if its clock is behind', async () => {
    const strict = await joinJwtApp(test);
    const [now, later] = [await rotated(), await rotated()];

    const atOnce = await refusalOf(strict.jwt.refresh(now.first.refreshToken));
    test.clock.set(new Date(test.clock.now().getTime() - 3000));
    const behind = await refusalOf(strict.jwt.refresh(later.first.refreshToken));
    await strict.close();

    expect([atOnce, behind]).toEqual(['reuse_detected', 'reuse_detected']);
  });

  it('is replayed after the clock was set back a little, and counts as reuse after it was set back far', async () => {
    const [little, far] = [await rotated(), await rotated()];
    const setBack = (seconds: number) => {
      test.clock.set(new Date(test.clock.now().getTime() - seconds * 1000));
    };

    setBack(3);
    const again = await test.jwt.refresh(little.first.refreshToken);
    setBack(3);
    const refusal = await refusalOf(test.jwt.refresh(far.first.refreshToken));

    expect(again.refreshToken).toBe(little.second.refreshToken);
    expect(refusal).toBe('reuse_detected');
  });
});

describe('a refresh token that is presented again, without a leeway', () => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp();
  });
  afterAll(() => test.close());

  it('counts as reuse at once, and no successor is sealed', async () => {
    const first = await test.jwt.generateTokens(test.user, SCOPES);
    await test.jwt.refresh(first.refreshToken);

    const rows = await refreshRows(test.dataSource, familyIdOf(first));
    const refusal = await refusalOf(test.jwt.refresh(first.refreshToken));

    expect(rows.map(({ sealed_successor }) => sealed_successor)).toEqual([null, null]);
    expect(refusal).toBe('reuse_detected');
  });

  it('counts as reuse while the family could live, and is then refused as revoked', async () => {
    const first = await test.jwt.generateTokens(test.user, SCOPES);
    let last = await test.jwt.refresh(first.refreshToken);
    for (let turn = 0; turn < 2; turn++) {
      test.clock.advance({ days: 14 });
      last = await test.jwt.refresh(last.refreshToken);
      await test.get(TokenCleanupService).cleanupExpiredTokens();
    }

    const refusals = [
      await refusalOf(test.jwt.refresh(first.refreshToken)),
      await refusalOf(test.jwt.refresh(first.refreshToken)),
      await refusalOf(test.jwt.refresh(last.refreshToken)),
    ];

    expect(refusals).toEqual(['reuse_detected', 'token_revoked', 'token_revoked']);
  });
});
