import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RotateApiToken } from 'nestjs-sigra';
import { auditActions } from '../support/audit-rows.js';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const REQUEST = { name: 'CI', scopes: ['read:notes', 'admin'] };
const MAX_GRACE = 2_592_000;

describe('ApiTokenService.rotate', () => {
  let test: TestApp;
  const inSeconds = (seconds: number) => new Date(test.clock.now().getTime() + seconds * 1000);
  const create = (lifetime?: number) =>
    test.tokens.create(test.user, lifetime === undefined ? REQUEST : { ...REQUEST, expiresAt: inSeconds(lifetime) });

  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test.close());

  it('issues a new token with the same name, scopes and owner, and revokes the old one at once', async () => {
    const old = await create();
    test.clock.advance({ hours: 1 });

    const { rawToken, token } = await test.tokens.rotate(old.token.id);

    expect(token).toEqual({
      ...old.token,
      id: token.id,
      originId: old.token.id,
      hint: rawToken.slice(9, 13),
      createdAt: test.clock.now(),
    });
    expect(token.id).not.toBe(old.token.id);
    expect(rawToken).not.toBe(old.rawToken);
    expect(await test.tokens.verify(rawToken)).toEqual(token);
    expect(await refusalOf(test.tokens.verify(old.rawToken))).toBe('token_revoked');
    expect(await auditActions(test.dataSource, old.token.id)).toEqual(['api.token_create', 'api.token_rotate']);
  });

  it('stores the id of the successor in the old token', async () => {
    const old = await create();

    const { token } = await test.tokens.rotate(old.token.id);

    expect(await test.tokens.revoke(old.token.id)).toMatchObject({
      id: old.token.id,
      replacedBy: token.id,
      revokedAt: test.clock.now(),
    });
  });

  it('keeps the old token valid for the grace, and not a millisecond longer', async () => {
    const old = await create();
    const end = inSeconds(60).getTime();

    const { rawToken } = await test.tokens.rotate(old.token.id, { graceSeconds: 60 });
    test.clock.set(new Date(end - 1));
    const before = await test.tokens.verify(old.rawToken);
    test.clock.set(new Date(end));

    expect(before).toMatchObject({ id: old.token.id, expiresAt: new Date(end), revokedAt: null });
    expect(await refusalOf(test.tokens.verify(old.rawToken))).toBe('token_expired');
    expect(await test.tokens.verify(rawToken)).toMatchObject({ expiresAt: null });
  });

  it('never extends the old token beyond its own expiry', async () => {
    const old = await create(30);

    await test.tokens.rotate(old.token.id, { graceSeconds: 60 });

    expect(await test.tokens.verify(old.rawToken)).toMatchObject({ expiresAt: old.token.expiresAt });
    test.clock.set(old.token.expiresAt!);
    expect(await refusalOf(test.tokens.verify(old.rawToken))).toBe('token_expired');
  });

  it('gives the new token the original lifetime of the old one', async () => {
    const old = await create(3600);
    test.clock.advance({ minutes: 59 });

    const { token } = await test.tokens.rotate(old.token.id);

    expect(token.expiresAt).toEqual(inSeconds(3600));
  });

  it('gives the new token another expiry, or none, on request', async () => {
    const [first, second] = [await create(3600), await create(3600)];

    const dated = await test.tokens.rotate(first.token.id, { expiresAt: inSeconds(60) });
    const endless = await test.tokens.rotate(second.token.id, { expiresAt: null });

    expect(dated.token.expiresAt).toEqual(inSeconds(60));
    expect(endless.token.expiresAt).toBeNull();
  });

  it.each([
    ['expiry_in_past', new Date(0)],
    ['invalid_expiry', new Date(Number.NaN)],
  ])('rejects with %s for an invalid expiry, and the old token stays valid', async (code, expiresAt) => {
    const old = await create();

    expect(await refusalOf(test.tokens.rotate(old.token.id, { expiresAt }))).toBe(code);
    expect(await test.tokens.verify(old.rawToken)).toEqual(old.token);
  });

  it('rotates the successor as well', async () => {
    const first = await create();
    const second = await test.tokens.rotate(first.token.id, { graceSeconds: 60 });

    const third = await test.tokens.rotate(second.token.id);

    expect(await test.tokens.verify(third.rawToken)).toEqual(third.token);
    expect(await refusalOf(test.tokens.verify(second.rawToken))).toBe('token_revoked');
  });

  it('rejects a second rotation with token_revoked, also within the grace', async () => {
    const [atOnce, later] = [await create(), await create()];
    await test.tokens.rotate(atOnce.token.id);
    await test.tokens.rotate(later.token.id, { graceSeconds: 60 });

    expect(await refusalOf(test.tokens.rotate(atOnce.token.id))).toBe('token_revoked');
    expect(await refusalOf(test.tokens.rotate(later.token.id))).toBe('token_revoked');
    expect(await test.tokens.verify(later.rawToken)).toMatchObject({ id: later.token.id });
  });

  it('rejects with token_revoked or token_expired for a revoked or expired token', async () => {
    const [revoked, expired] = [await create(), await create(60)];
    await test.tokens.revoke(revoked.token.id);
    test.clock.set(expired.token.expiresAt!);

    expect(await refusalOf(test.tokens.rotate(revoked.token.id))).toBe('token_revoked');
    expect(await refusalOf(test.tokens.rotate(expired.token.id))).toBe('token_expired');
  });

  it('accepts a grace of 0 seconds and the longest grace', async () => {
    const [none, most] = [await create(), await create()];

    await test.tokens.rotate(none.token.id, { graceSeconds: 0 });
    await test.tokens.rotate(most.token.id, { graceSeconds: MAX_GRACE });

    expect(await refusalOf(test.tokens.verify(none.rawToken))).toBe('token_revoked');
    expect(await test.tokens.verify(most.rawToken)).toMatchObject({ expiresAt: inSeconds(MAX_GRACE) });
  });

  it.each([-1, 0.5, MAX_GRACE + 1, Number.NaN, Infinity, '60', null, {}])(
    'rejects with invalid_grace for %p, and the old token stays valid',
    async (graceSeconds) => {
      const old = await create();

      expect(await refusalOf(test.tokens.rotate(old.token.id, { graceSeconds } as RotateApiToken))).toBe(
        'invalid_grace',
      );
      expect(await test.tokens.verify(old.rawToken)).toEqual(old.token);
    },
  );

  it('lists the old token as active during its grace, and no longer', async () => {
    const user = await test.addUser('grace@example.com');
    const old = await test.tokens.create(user, REQUEST);
    test.clock.advance({ seconds: 1 });
    const { token } = await test.tokens.rotate(old.token.id, { graceSeconds: 60 });
    const idsOf = async () => (await test.tokens.listActive(user)).tokens.map(({ id }) => id);

    const within = await idsOf();
    test.clock.advance({ seconds: 60 });

    expect(within).toEqual([old.token.id, token.id]);
    expect(await idsOf()).toEqual([token.id]);
  });

  it('ends the grace of a token that is revoked during it', async () => {
    const old = await create();
    const { rawToken } = await test.tokens.rotate(old.token.id, { graceSeconds: 60 });

    await test.tokens.revoke(old.token.id);

    expect(await refusalOf(test.tokens.verify(old.rawToken))).toBe('token_revoked');
    expect(await test.tokens.verify(rawToken)).toMatchObject({ revokedAt: null });
  });
});

describe('rotation under options that changed later', () => {
  it('limits a token with a longer or unlimited lifetime to the current maxTtl', async () => {
    const before = await startTestApp();
    const expiresAt = new Date(before.clock.now().getTime() + 7200_000);
    const long = await before.tokens.create(before.user, { ...REQUEST, expiresAt });
    const endless = await before.tokens.create(before.user, REQUEST);
    const now = await startTestApp({
      databaseUrl: before.databaseUrl,
      clock: before.clock,
      sigra: { apiTokens: { scopes: ['read:notes'], maxTtl: 3600, requireExpiry: true } },
    });

    const rotated = await Promise.all([now.tokens.rotate(long.token.id), now.tokens.rotate(endless.token.id)]);
    await now.close();
    await before.close();

    const limit = new Date(before.clock.now().getTime() + 3600_000);
    expect(rotated.map(({ token }) => token.expiresAt)).toEqual([limit, limit]);
  });

  it('rejects with expiry_required for a token without expiry, and accepts an expiry with the rotation', async () => {
    const before = await startTestApp();
    const endless = await before.tokens.create(before.user, REQUEST);
    const now = await startTestApp({
      databaseUrl: before.databaseUrl,
      clock: before.clock,
      sigra: { apiTokens: { requireExpiry: true } },
    });
    const expiresAt = new Date(before.clock.now().getTime() + 60_000);

    const refusal = await refusalOf(now.tokens.rotate(endless.token.id));
    const { token } = await now.tokens.rotate(endless.token.id, { expiresAt });
    await now.close();
    await before.close();

    expect(refusal).toBe('expiry_required');
    expect(token.expiresAt).toEqual(expiresAt);
  });
});
