import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SigraJwtService } from 'nestjs-sigra';
import { auditActions, auditRows } from '../support/audit-rows.js';
import { claimsOf, familyIdOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { everyRow, familyRow, refreshRows } from '../support/family-rows.js';
import { refusalOf } from '../support/refusal.js';
import { startTestApp } from '../support/test-app.js';

const SCOPES = ['read:notes', 'write:notes'];

describe('a refresh token', () => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp();
  });
  afterAll(() => test.close());

  it('starts a family with the scopes, the origin and the absolute end of the sign-in', async () => {
    const pair = await test.jwt.generateTokens(test.user, SCOPES, { ipAddress: '192.0.2.7', userAgent: 'curl/8' });

    const [family, tokens] = [
      await familyRow(test.dataSource, familyIdOf(pair)),
      await refreshRows(test.dataSource, familyIdOf(pair)),
    ];
    const now = test.clock.now().getTime();
    expect(pair).toMatchObject({ tokenType: 'Bearer', expiresIn: 900, scope: 'read:notes write:notes' });
    expect(family).toMatchObject({
      owner_type: 'user',
      owner_id: test.user.id,
      epoch: 0,
      scopes: SCOPES,
      absolute_expires_at: new Date(now + 7_776_000_000),
      revoked_at: null,
      ip_address: '192.0.2.7',
      user_agent: 'curl/8',
      created_at: test.clock.now(),
    });
    expect(tokens).toMatchObject([
      { parent_id: null, consumed_at: null, sealed_successor: null, expires_at: new Date(now + 2_592_000_000) },
    ]);
    expect(JSON.stringify([family, tokens])).not.toContain(pair.refreshToken);
  });

  it('is exchanged for a new pair of the same family, and is consumed', async () => {
    const first = await test.jwt.generateTokens(test.user, SCOPES);
    test.clock.advance({ minutes: 20 });

    const second = await test.jwt.refresh(first.refreshToken);

    const [old, child, ...others] = await refreshRows(test.dataSource, familyIdOf(first));
    expect(second).toMatchObject({ tokenType: 'Bearer', expiresIn: 900, scope: 'read:notes write:notes' });
    expect(second.refreshToken).not.toBe(first.refreshToken);
    expect(old).toMatchObject({ consumed_at: test.clock.now(), sealed_successor: null });
    expect(child).toMatchObject({ parent_id: old!.id, consumed_at: null, created_at: test.clock.now() });
    expect(others).toEqual([]);
    expect(await auditActions(test.dataSource, familyIdOf(first))).toEqual(['api.jwt_issue', 'api.jwt_refresh']);
  });

  it('gives a valid access token of the same family', async () => {
    const first = await test.jwt.generateTokens(test.user, SCOPES);

    const second = await test.jwt.refresh(first.refreshToken);

    const [before, after] = [claimsOf(first.accessToken), await test.jwt.verifyAccess(second.accessToken)];
    expect(after).toMatchObject({ sub: test.user.id, scope: 'read:notes write:notes', epoch: 0, sid: before.sid });
    expect(after.jti).not.toBe(before.jti);
  });

  it('can be refreshed again and again while the family lasts', async () => {
    const first = await test.jwt.generateTokens(test.user, SCOPES);

    let pair = first;
    for (let turn = 0; turn < 10; turn++) pair = await test.jwt.refresh(pair.refreshToken);

    const rows = await refreshRows(test.dataSource, familyIdOf(first));
    expect(rows.map(({ parent_id }) => parent_id)).toEqual([null, ...rows.slice(0, 10).map(({ id }) => id)]);
    expect(rows.filter(({ consumed_at }) => consumed_at === null)).toEqual([rows[10]]);
  });

  it('passes the epoch of its family on', async () => {
    const user = await test.addUser('often@example.com');
    await test.jwt.signOutEverywhere(user);
    await test.jwt.signOutEverywhere(user);
    const first = await test.jwt.generateTokens(user, SCOPES);

    const second = await test.jwt.refresh(first.refreshToken);
    const third = await test.jwt.refresh(second.refreshToken);

    const epochs = [first, second, third].map(({ accessToken }) => claimsOf(accessToken).epoch);
    expect((await familyRow(test.dataSource, familyIdOf(third))).epoch).toBe(2);
    expect(epochs).toEqual([2, 2, 2]);
  });

  it('is refused without a write when it is unknown or malformed', async () => {
    const { refreshToken } = await test.jwt.generateTokens(test.user, SCOPES);
    const other = await startJwtApp();
    const foreign = await other.jwt.generateTokens(other.user, SCOPES);
    await other.close();
    const before = await everyRow(test.dataSource);

    const wrong: unknown[] = [foreign.refreshToken, foreign.accessToken, `${refreshToken}x`, '', 'x', undefined, 7, {}];
    const refusals = await Promise.all(wrong.map((token) => refusalOf(test.jwt.refresh(token as string))));
    const revocations = await Promise.all(wrong.map((token) => refusalOf(test.jwt.revokeRefresh(token as string))));

    expect(new Set([...refusals, ...revocations])).toEqual(new Set(['invalid_token']));
    expect(await everyRow(test.dataSource)).toEqual(before);
  });

  it('is refused as a bearer credential, and an access token is refused as a refresh token', async () => {
    const pair = await test.jwt.generateTokens(test.user, SCOPES);

    const asBearer = await fetch(`${test.url}/notes/me`, { headers: { authorization: `Bearer ${pair.refreshToken}` } });

    expect(asBearer.status).toBe(401);
    expect(await refusalOf(test.jwt.verifyAccess(pair.refreshToken))).toBe('invalid_token');
    expect(await refusalOf(test.jwt.refresh(pair.accessToken))).toBe('invalid_token');
  });

  it('never appears in the audit trail', async () => {
    const first = await test.jwt.generateTokens(test.user, SCOPES);
    const second = await test.jwt.refresh(first.refreshToken);

    const trail = JSON.stringify(await auditRows(test.dataSource, familyIdOf(first)));

    for (const { accessToken, refreshToken } of [first, second]) {
      expect(trail).not.toContain(accessToken);
      expect(trail).not.toContain(refreshToken);
    }
  });
});

it('all JWT methods reject where JWTs are not enabled', async () => {
  const test = await startTestApp();
  const jwt = test.get(SigraJwtService);

  const refusals = await Promise.all(
    [
      jwt.generateTokens(test.user, SCOPES),
      jwt.verifyAccess('eyJ.e30.x'),
      jwt.refresh('sigra_rt_'),
      jwt.revokeRefresh('sigra_rt_'),
      jwt.revokeFamily(test.user, test.user.id),
      jwt.revokeAllRefresh(test.user),
      jwt.signOutEverywhere(test.user),
      jwt.listFamilies(test.user),
    ].map(refusalOf),
  );
  await test.close();

  expect(new Set(refusals)).toEqual(new Set(['jwt_disabled']));
});
