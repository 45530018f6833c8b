import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Caller } from 'nestjs-sigra';
import { auditRows } from '../support/audit-rows.js';
import { familyIdOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { familyRow, refreshRows } from '../support/family-rows.js';
import { refusalOf } from '../support/refusal.js';

const SCOPES = ['read:notes'];
const FROM = { ipAddress: '192.0.2.1', userAgent: 'curl/8' };

describe('the audit rows of JWTs', () => {
  let test: JwtApp;
  let byUser: Caller;

  beforeAll(async () => {
    test = await startJwtApp({ reuseLeeway: 10 });
    const { user } = test;
    byUser = { ...FROM, principal: { user, userId: user.id, method: 'session', scopes: ['*'] } };
  });
  afterAll(() => test.close());

  const signIn = () => test.jwt.generateTokens(test.user, SCOPES);
  /** The latest row about a target, without the columns that differ in every row. */
  const latest = async (targetId: string) => {
    const { action, outcome, actor_id, actor_type, target_type, metadata, ip_address, user_agent, occurred_at } = (
      await auditRows(test.dataSource, targetId)
    ).at(-1)!;
    expect(occurred_at).toEqual(test.clock.now());
    return { action, outcome, actor_id, actor_type, target_type, metadata, ip_address, user_agent };
  };
  const systemRow = { outcome: 'success', actor_id: null, actor_type: 'system', ip_address: null, user_agent: null };
  const userRow = () => ({
    outcome: 'success',
    actor_id: test.user.id,
    actor_type: 'user',
    ip_address: '192.0.2.1',
    user_agent: 'curl/8',
  });

  it('record the signed-in user, the scopes and the actor', async () => {
    const bySystem = await signIn();
    const bySession = await test.jwt.generateTokens(test.user, SCOPES, byUser);

    const common = { action: 'api.jwt_issue', target_type: 'refresh_family' };
    const metadata = { userId: test.user.id, scopes: SCOPES };
    expect(await latest(familyIdOf(bySystem))).toEqual({ ...systemRow, ...common, metadata });
    expect(await latest(familyIdOf(bySession))).toEqual({
      ...userRow(),
      ...common,
      metadata: { ...metadata, method: 'session' },
    });
  });

  it('record the token that was rotated, replayed or reused, with its user as actor', async () => {
    const first = await signIn();
    const familyId = familyIdOf(first);
    const [token] = await refreshRows(test.dataSource, familyId);
    const common = { ...userRow(), target_type: 'refresh_family', metadata: { refreshTokenId: token!.id } };

    const second = await test.jwt.refresh(first.refreshToken, {}, FROM);
    const rotated = await latest(familyId);
    await test.jwt.refresh(first.refreshToken, {}, FROM);
    const replayed = await latest(familyId);
    await test.jwt.refresh(second.refreshToken);
    test.clock.advance({ minutes: 1 });
    await refusalOf(test.jwt.refresh(first.refreshToken, {}, FROM));
    const reused = await latest(familyId);

    expect([rotated, replayed, reused]).toEqual([
      { ...common, action: 'api.jwt_refresh' },
      { ...common, action: 'api.jwt_refresh_replay' },
      { ...common, action: 'api.jwt_refresh_reuse', outcome: 'failure' },
    ]);
  });

  it('record the revoked family, or the number of families', async () => {
    const user = await test.addUser('grace@example.com');
    const pairs = [];
    for (let turn = 0; turn < 4; turn++) pairs.push(await test.jwt.generateTokens(user, SCOPES));
    const [byToken, byId] = pairs.map((pair) => familyIdOf(pair)) as [string, string];

    await test.jwt.revokeRefresh(pairs[0]!.refreshToken);
    await test.jwt.revokeFamily(user, byId, byUser);
    await test.jwt.revokeAllRefresh(user, byUser);
    const all = await latest(user.id);
    await test.jwt.signOutEverywhere(user);

    const one = { action: 'api.jwt_revoke', target_type: 'refresh_family' };
    expect(await latest(byToken)).toEqual({ ...systemRow, ...one, metadata: { userId: user.id } });
    expect(await latest(byId)).toEqual({ ...userRow(), ...one, metadata: { userId: user.id, method: 'session' } });
    expect(all).toEqual({
      ...userRow(),
      action: 'api.jwt_revoke',
      target_type: 'user',
      metadata: { count: 2, epoch: 1, method: 'session' },
    });
    expect(await latest(user.id)).toEqual({
      ...systemRow,
      action: 'api.sign_out_everywhere',
      target_type: 'user',
      metadata: { count: 0, epoch: 2 },
    });
  });
});

describe('sigra:jwt:refresh_reuse_detected', () => {
  it('is published once per theft, after the commit of the revocation', async () => {
    const test = await startJwtApp();
    const first = await test.jwt.generateTokens(test.user, SCOPES);
    const familyId = familyIdOf(first);
    await test.jwt.refresh(first.refreshToken);
    const published: unknown[] = [];
    const seen: Promise<unknown>[] = [];
    const listen = (message: unknown) => {
      published.push(message);
      // Another connection does not see uncommitted rows.
      seen.push(familyRow(test.dataSource, familyId), auditRows(test.dataSource, familyId));
    };
    subscribe('sigra:jwt:refresh_reuse_detected', listen);

    await Promise.all([
      refusalOf(test.jwt.refresh(first.refreshToken)),
      refusalOf(test.jwt.refresh(first.refreshToken)),
    ]);
    await refusalOf(test.jwt.refresh(first.refreshToken));
    unsubscribe('sigra:jwt:refresh_reuse_detected', listen);
    const [family, rows] = await Promise.all(seen);
    await test.close();

    expect(published).toEqual([{ userId: test.user.id, familyId }]);
    expect(JSON.stringify(published)).not.toContain(first.refreshToken);
    expect(family).toMatchObject({ revoke_reason: 'reuse_detected' });
    expect(rows).toContainEqual(expect.objectContaining({ action: 'api.jwt_refresh_reuse' }));
  });
});
