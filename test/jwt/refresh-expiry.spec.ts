import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { claimsOf, familyIdOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { everyRow, refreshRows } from '../support/family-rows.js';
import { refusalOf } from '../support/refusal.js';

describe('a family with an absolute lifetime of 10 hours, an idle time of 4 and access tokens of one hour', () => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp({ accessTtl: 3600, refreshTtl: 4 * 3600, absoluteTtl: 10 * 3600 });
  });
  afterAll(() => test.close());

  const signIn = () => test.jwt.generateTokens(test.user, ['read:notes']);
  const liveUntil = async (familyId: string) =>
    (await refreshRows(test.dataSource, familyId)).find(({ consumed_at }) => !consumed_at)?.expires_at;

  it('can be refreshed until the last millisecond of its idle time', async () => {
    const pair = await signIn();
    test.clock.advance({ hours: 3, minutes: 59, seconds: 59, milliseconds: 999 });

    await expect(test.jwt.refresh(pair.refreshToken)).resolves.toMatchObject({ expiresIn: 3600 });
  });

  it('expires at the end of its idle time, and no row is written', async () => {
    const pair = await signIn();
    test.clock.advance({ hours: 4 });
    const before = await everyRow(test.dataSource);

    const refusal = await refusalOf(test.jwt.refresh(pair.refreshToken));

    expect(refusal).toBe('token_expired');
    expect(await everyRow(test.dataSource)).toEqual(before);
  });

  it('restarts its idle time with every refresh, up to its absolute end', async () => {
    const first = await signIn();
    const start = test.clock.now().getTime();
    const ends = [];

    let pair = first;
    for (let turn = 0; turn < 3; turn++) {
      test.clock.advance({ hours: 3 });
      pair = await test.jwt.refresh(pair.refreshToken);
      ends.push(await liveUntil(familyIdOf(first)));
    }

    const hours = (count: number) => new Date(start + count * 3_600_000);
    expect(ends).toEqual([hours(3 + 4), hours(10), hours(10)]);
  });

  it('expires at its absolute end, even if it is refreshed often', async () => {
    let pair = await signIn();
    for (let hour = 0; hour < 9; hour++) {
      test.clock.advance({ hours: 1 });
      pair = await test.jwt.refresh(pair.refreshToken);
    }
    test.clock.advance({ minutes: 59, seconds: 58 });
    pair = await test.jwt.refresh(pair.refreshToken);

    test.clock.advance({ seconds: 2 });
    const refusal = await refusalOf(test.jwt.refresh(pair.refreshToken));

    expect(refusal).toBe('token_expired');
  });

  it('expires with the begin of its last second, in which an access token would have no lifetime', async () => {
    test.clock.set(new Date(Math.floor(test.clock.now().getTime() / 1000) * 1000 + 500));
    const [one, other] = [await signIn(), await signIn()];
    await test.dataSource.query('UPDATE sigra_refresh_tokens SET expires_at = $1', [
      new Date(test.clock.now().getTime() + 36_000_000),
    ]);
    const before = await everyRow(test.dataSource);
    const end = Math.floor(test.clock.now().getTime() / 1000) * 1000 + 36_000_000;

    test.clock.set(new Date(end));
    const refusal = await refusalOf(test.jwt.refresh(one.refreshToken));
    const after = await everyRow(test.dataSource);
    test.clock.set(new Date(end - 1));
    const last = await test.jwt.refresh(other.refreshToken);

    expect(refusal).toBe('token_expired');
    expect(after).toEqual(before);
    expect(last.expiresIn).toBe(1);
  });

  it('issues no access token that outlives it', async () => {
    const first = await signIn();
    const end = Math.floor(test.clock.now().getTime() / 1000) + 10 * 3600;
    let pair = first;
    for (let turn = 0; turn < 3; turn++) {
      test.clock.advance({ hours: 3, minutes: 10 });
      pair = await test.jwt.refresh(pair.refreshToken);
    }

    const { exp, iat } = claimsOf(pair.accessToken);

    expect(exp).toBe(end);
    expect(pair.expiresIn).toBe(Number(exp) - Number(iat));
    expect(pair.expiresIn).toBe(1800);
  });
});
