import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { auditActions, auditRows } from '../support/audit-rows.js';
import { familyIdOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { everyRow, familyRow } from '../support/family-rows.js';
import { refusalOf } from '../support/refusal.js';

const SCOPES = ['read:notes'];

describe('the families of a user', () => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp({ check: 'family' });
  });
  afterAll(() => test.close());

  let users = 0;
  const someone = () => test.addUser(`user-${++users}@example.com`);
  const signIn = (user: object) => test.jwt.generateTokens(user, SCOPES);

  it('are listed newest first, each with its origin and its last refresh', async () => {
    const user = await someone();
    const start = test.clock.now();
    const phone = await test.jwt.generateTokens(user, SCOPES, { ipAddress: '192.0.2.1', userAgent: 'phone' });
    test.clock.advance({ hours: 1 });
    const laptop = await test.jwt.generateTokens(user, ['*']);
    test.clock.advance({ hours: 1 });
    await test.jwt.refresh(phone.refreshToken, {}, { ipAddress: '192.0.2.99', userAgent: 'elsewhere' });

    const { families } = await test.jwt.listFamilies(user);

    const at = (hours: number, days = 0) => new Date(start.getTime() + hours * 3_600_000 + days * 86_400_000);
    const [created, later, refreshed] = [at(0), at(1), at(2)];
    expect(families).toEqual([
      {
        id: familyIdOf(laptop),
        ownerType: 'user',
        ownerId: user.id,
        epoch: 0,
        scopes: ['*'],
        allowedIps: null,
        resources: null,
        creatorType: null,
        creatorId: null,
        madeByTokenId: null,
        madeByFamilyId: null,
        dpopThumbprint: null,
        ipAddress: null,
        userAgent: null,
        createdAt: later,
        refreshedAt: later,
        absoluteExpiresAt: at(1, 90),
        revokedAt: null,
        revokeReason: null,
      },
      {
        id: familyIdOf(phone),
        ownerType: 'user',
        ownerId: user.id,
        epoch: 0,
        scopes: SCOPES,
        allowedIps: null,
        resources: null,
        creatorType: null,
        creatorId: null,
        madeByTokenId: null,
        madeByFamilyId: null,
        dpopThumbprint: null,
        ipAddress: '192.0.2.1',
        userAgent: 'phone',
        createdAt: created,
        refreshedAt: refreshed,
        absoluteExpiresAt: at(0, 90),
        revokedAt: null,
        revokeReason: null,
      },
    ]);
  });

  it('store the part of their origin that fits the columns, for any input', async () => {
    const user = await someone();

    await test.jwt.generateTokens(user, SCOPES, { ipAddress: '1'.repeat(3000), userAgent: `a\0b${'😀'.repeat(600)}` });

    const [family] = (await test.jwt.listFamilies(user)).families;
    expect(family?.ipAddress).toBe('1'.repeat(64));
    expect(family?.userAgent).toMatch(/^ab(?:😀)+$/u);
    expect(family?.userAgent?.length).toBeLessThanOrEqual(1024);
  });

  it('are not listed if they are revoked, expired, idle for too long or of another user', async () => {
    const [user, other] = [await someone(), await someone()];
    await signIn(user);
    test.clock.advance({ days: 30 });
    const revoked = await signIn(user);
    await test.jwt.revokeRefresh(revoked.refreshToken);
    await signIn(other);
    const live = await signIn(user);

    const { families } = await test.jwt.listFamilies(user);

    expect(families.map(({ id }) => id)).toEqual([familyIdOf(live)]);
  });

  it('are all gone after signing out everywhere, until the next sign-in', async () => {
    const user = await someone();
    await signIn(user);
    await signIn(user);

    await test.jwt.signOutEverywhere(user);
    const { families: none } = await test.jwt.listFamilies(user);
    const next = await signIn(user);

    expect(none).toEqual([]);
    expect((await test.jwt.listFamilies(user)).families.map(({ id }) => id)).toEqual([familyIdOf(next)]);
    expect(await test.jwt.verifyAccess(next.accessToken)).toMatchObject({ epoch: 1 });
  });

  it('can be ended one by one, without an effect on the others', async () => {
    const user = await someone();
    const [one, other] = [await signIn(user), await signIn(user)];

    await test.jwt.revokeFamily(user, familyIdOf(one));

    expect(await refusalOf(test.jwt.verifyAccess(one.accessToken))).toBe('token_revoked');
    expect(await refusalOf(test.jwt.refresh(one.refreshToken))).toBe('token_revoked');
    expect(await test.jwt.verifyAccess(other.accessToken)).toMatchObject({ sid: familyIdOf(other) });
    await test.jwt.refresh(other.refreshToken);
    expect(await familyRow(test.dataSource, familyIdOf(one))).toMatchObject({
      revoked_at: test.clock.now(),
      revoke_reason: 'revoked',
    });
  });

  it('are rejected with the same not_found if they are foreign, absent or malformed', async () => {
    const [user, other] = [await someone(), await someone()];
    const foreign = familyIdOf(await signIn(other));
    const before = await everyRow(test.dataSource);
    const ids: unknown[] = [
      foreign,
      '00000000-0000-7000-8000-000000000000',
      'not a uuid',
      '',
      `${foreign}\0`,
      undefined,
      null,
    ];

    const refusals = await Promise.all(
      ids.map((id) => test.jwt.revokeFamily(user, id as string).catch((error: unknown) => error)),
    );

    expect(refusals[0]).toMatchObject({ name: 'SigraError', code: 'not_found', message: expect.any(String) });
    for (const refusal of refusals) expect(refusal).toEqual(refusals[0]);
    expect(await everyRow(test.dataSource)).toEqual(before);
  });

  it('do not change when they are ended again', async () => {
    const user = await someone();
    const pair = await signIn(user);
    await test.jwt.revokeRefresh(pair.refreshToken);
    const ended = await familyRow(test.dataSource, familyIdOf(pair));
    test.clock.advance({ hours: 1 });

    await test.jwt.revokeRefresh(pair.refreshToken);
    await test.jwt.revokeFamily(user, familyIdOf(pair));

    expect(await familyRow(test.dataSource, familyIdOf(pair))).toEqual(ended);
    expect(await auditActions(test.dataSource, familyIdOf(pair))).toEqual(['api.jwt_issue', 'api.jwt_revoke']);
  });

  it('can be ended with a rotated token, without counting as reuse', async () => {
    const first = await signIn(await someone());
    const second = await test.jwt.refresh(first.refreshToken);

    await test.jwt.revokeRefresh(first.refreshToken);

    expect(await refusalOf(test.jwt.refresh(second.refreshToken))).toBe('token_revoked');
    expect(await auditActions(test.dataSource, familyIdOf(first))).not.toContain('api.jwt_refresh_reuse');
  });

  it('can be ended all at once, and the live ones are counted', async () => {
    const [user, other] = [await someone(), await someone()];
    const pairs = [await signIn(user), await signIn(user), await signIn(user)];
    const foreign = await signIn(other);
    await test.jwt.revokeRefresh(pairs[0]!.refreshToken);

    const counts = [await test.jwt.revokeAllRefresh(user), await test.jwt.revokeAllRefresh(user)];

    const rows = await auditRows(test.dataSource, user.id);
    expect(counts).toEqual([2, 0]);
    expect(rows).toMatchObject([
      { action: 'api.jwt_revoke', target_type: 'user', metadata: { count: 2 } },
      { action: 'api.jwt_revoke', target_type: 'user', metadata: { count: 0 } },
    ]);
    for (const { refreshToken } of pairs) expect(await refusalOf(test.jwt.refresh(refreshToken))).toBe('token_revoked');
    await test.jwt.refresh(foreign.refreshToken);
  });
});

describe('signing out everywhere', () => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp();
  });
  afterAll(() => test.close());

  it('ends every access and refresh token at once, and does not affect API tokens and other users', async () => {
    const other = await test.addUser('grace@example.com');
    const pairs = [await test.jwt.generateTokens(test.user, SCOPES), await test.jwt.generateTokens(test.user, ['*'])];
    const foreign = await test.jwt.generateTokens(other, SCOPES);
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: SCOPES });

    await test.jwt.signOutEverywhere(test.user);

    for (const { accessToken, refreshToken } of pairs) {
      expect(await refusalOf(test.jwt.verifyAccess(accessToken))).toBe('epoch_mismatch');
      expect(await refusalOf(test.jwt.refresh(refreshToken))).toBe('token_revoked');
    }
    expect(await test.tokens.verify(rawToken)).toMatchObject({ ownerId: test.user.id });
    expect(await test.jwt.verifyAccess(foreign.accessToken)).toMatchObject({ sub: other.id });
    await test.jwt.refresh(foreign.refreshToken);
  });

  it('works for a user who never signed in, and repeatedly', async () => {
    const user = await test.addUser('never@example.com');

    for (let turn = 0; turn < 3; turn++) await test.jwt.signOutEverywhere(user);
    const pair = await test.jwt.generateTokens(user, SCOPES);

    expect(await test.jwt.verifyAccess(pair.accessToken)).toMatchObject({ epoch: 3 });
    expect((await auditRows(test.dataSource, user.id)).map(({ metadata }) => metadata)).toEqual([
      { epoch: 1, count: 0 },
      { epoch: 2, count: 0 },
      { epoch: 3, count: 0 },
    ]);
  });
});
