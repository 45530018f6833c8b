import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TokenPair } from 'nestjs-sigra';
import { auditActions } from '../support/audit-rows.js';
import { familyIdOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { familyRow, refreshRows } from '../support/family-rows.js';
import { type OAuthApp, startOAuthApp } from '../support/oauth-app.js';
import { refusalOf } from '../support/refusal.js';

const THIEF = { ipAddress: '198.51.100.66', userAgent: 'thief' };
const OWNER = { ipAddress: '192.0.2.1', userAgent: 'owner' };

/** Both have the same refresh token; the second refresh reveals the theft. */
describe.each([
  { title: 'the thief refreshes first and the owner second', first: THIEF, second: OWNER },
  { title: 'the owner refreshes first and the thief second', first: OWNER, second: THIEF },
])('when a refresh token is stolen and $title', ({ first, second }) => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp({ check: 'family' });
  });
  afterAll(() => test.close());

  it('the whole family is revoked, with all access tokens of both, and no other family', async () => {
    const original = await test.jwt.generateTokens(test.user, ['read:notes'], OWNER);
    const elsewhere = await test.jwt.generateTokens(test.user, ['read:notes'], OWNER);
    const won = await test.jwt.refresh(original.refreshToken, {}, first);
    const wonAgain = await test.jwt.refresh(won.refreshToken, {}, first);

    const refusal = await refusalOf(test.jwt.refresh(original.refreshToken, {}, second));

    expect(refusal).toBe('reuse_detected');
    for (const { accessToken, refreshToken } of [original, won, wonAgain]) {
      const me = await fetch(`${test.url}/notes/me`, { headers: { authorization: `Bearer ${accessToken}` } });
      expect(me.status).toBe(401);
      expect(await refusalOf(test.jwt.verifyAccess(accessToken))).toBe('token_revoked');
      expect(await refusalOf(test.jwt.refresh(refreshToken))).toBe('token_revoked');
    }
    expect(await familyRow(test.dataSource, familyIdOf(original))).toMatchObject({
      revoked_at: test.clock.now(),
      revoke_reason: 'reuse_detected',
    });
    expect(await test.jwt.verifyAccess(elsewhere.accessToken)).toMatchObject({ sid: familyIdOf(elsewhere) });
    await test.jwt.refresh(elsewhere.refreshToken);
  });

  it('the audit trail records all refreshes and the reused token', async () => {
    const original = await test.jwt.generateTokens(test.user, ['read:notes'], OWNER);
    const familyId = familyIdOf(original);
    test.clock.advance({ minutes: 1 });
    await test.jwt.refresh(original.refreshToken, {}, first);
    test.clock.advance({ minutes: 1 });
    await refusalOf(test.jwt.refresh(original.refreshToken, {}, second));
    await refusalOf(test.jwt.refresh(original.refreshToken, {}, first));

    const rows = await test.dataSource.query<object[]>(
      `SELECT action, outcome, actor_id, ip_address, user_agent, metadata FROM sigra_audit_events
       WHERE target_id = $1 ORDER BY occurred_at`,
      [familyId],
    );

    const [stolen] = await refreshRows(test.dataSource, familyId);
    const seen = ({ ipAddress, userAgent }: typeof OWNER) => ({ ip_address: ipAddress, user_agent: userAgent });
    const step = { actor_id: test.user.id, metadata: { refreshTokenId: stolen!.id } };
    expect(rows).toEqual([
      expect.objectContaining({ action: 'api.jwt_issue', outcome: 'success', ...seen(OWNER) }),
      { action: 'api.jwt_refresh', outcome: 'success', ...step, ...seen(first) },
      { action: 'api.jwt_refresh_reuse', outcome: 'failure', ...step, ...seen(second) },
    ]);
  });
});

/** What the thief, who has refreshed first, can call, or make the owner call. */
describe.each<[string, (test: OAuthApp, won: TokenPair) => Promise<unknown>]>([
  [
    'ends all families over HTTP',
    (test, { accessToken }) =>
      fetch(`${test.url}/api/jwt`, { method: 'DELETE', headers: { authorization: `Bearer ${accessToken}` } }),
  ],
  ['ends the family at the revocation endpoint', (test, { refreshToken: token }) => test.post('revoke', { token })],
  ['lets the user sign out everywhere', (test) => test.jwt.signOutEverywhere(test.user)],
  ['lets the user end all families', (test) => test.jwt.revokeAllRefresh(test.user)],
  ['lets the family become idle for too long', async ({ clock }) => clock.advance({ days: 40 })],
])('when a thief makes an API token, and then %s', (_what, end) => {
  let test: OAuthApp;

  beforeAll(async () => {
    test = await startOAuthApp({ absoluteTtl: 90 * 86_400 });
  });
  afterAll(() => test.close());

  it('the reuse is detected once, and the API token revoked', async () => {
    const original = await test.signIn('*');
    const won = await test.jwt.refresh(original.refreshToken, {}, THIEF);
    const made = await fetch(`${test.url}/api/tokens`, {
      method: 'POST',
      headers: { authorization: `Bearer ${won.accessToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'backdoor', scopes: ['read:notes'] }),
    });
    const { rawToken } = (await made.json()) as { rawToken: string };
    await end(test, won);
    const before = await test.present(rawToken);

    const unused = await refusalOf(test.jwt.refresh(won.refreshToken));
    const refusals = [
      await refusalOf(test.jwt.refresh(original.refreshToken, {}, OWNER)),
      await refusalOf(test.jwt.refresh(original.refreshToken, {}, OWNER)),
    ];

    expect([made.status, before.status]).toEqual([201, 200]);
    expect(['token_revoked', 'token_expired']).toContain(unused);
    expect(refusals).toEqual(['reuse_detected', 'token_revoked']);
    expect((await test.present(rawToken)).status).toBe(401);
    const actions = await auditActions(test.dataSource, familyIdOf(original));
    expect(actions.filter((action) => action === 'api.jwt_refresh_reuse')).toHaveLength(1);
    expect(await familyRow(test.dataSource, familyIdOf(original))).toMatchObject({ revoke_reason: 'reuse_detected' });
  });
});

describe('a theft', () => {
  it('is detected by a node that was started after the rotation', async () => {
    const first = await startJwtApp();
    const original = await first.jwt.generateTokens(first.user, ['read:notes']);
    const before = await startJwtApp({}, { databaseUrl: first.databaseUrl, clock: first.clock });
    await before.jwt.refresh(original.refreshToken);
    await before.close();

    const after = await startJwtApp({}, { databaseUrl: first.databaseUrl, clock: first.clock });
    const refusals = [
      await refusalOf(after.jwt.refresh(original.refreshToken)),
      await refusalOf(first.jwt.refresh(original.refreshToken)),
    ];
    const actions = await auditActions(first.dataSource, familyIdOf(original));
    await after.close();
    await first.close();

    expect(refusals).toEqual(['reuse_detected', 'token_revoked']);
    expect(actions).toEqual(['api.jwt_issue', 'api.jwt_refresh', 'api.jwt_refresh_reuse']);
  });

  it('leaves access tokens valid until they expire where only the epoch is checked', async () => {
    const test = await startJwtApp({ check: 'epoch' });
    const original = await test.jwt.generateTokens(test.user, ['read:notes']);
    const won = await test.jwt.refresh(original.refreshToken);
    await refusalOf(test.jwt.refresh(original.refreshToken));

    const now = await test.jwt.verifyAccess(won.accessToken);
    test.clock.advance({ minutes: 15 });
    const later = await refusalOf(test.jwt.verifyAccess(won.accessToken));
    await test.close();

    expect(now.sub).toBe(test.user.id);
    expect(later).toBe('token_expired');
  });
});
