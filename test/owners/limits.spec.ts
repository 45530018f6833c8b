import { afterEach, describe, expect, it } from '@jest/globals';
import type { ApiTokenOptions } from 'nestjs-sigra';
import { refusalOf } from '../support/refusal.js';
import { familyIdOf, closeJwtApps, startJwtApp } from '../support/jwt-app.js';
import { SIGRA_OPTIONS } from '../support/test-app.js';
import { TokenClient } from '../support/token-client.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };
const DAY = 86_400_000;

afterEach(closeJwtApps);

const startWith = (apiTokens: ApiTokenOptions, databaseUrl?: string) =>
  startJwtApp({}, { sigra: { apiTokens: { ...SIGRA_OPTIONS.apiTokens, ...apiTokens } }, databaseUrl });

describe('apiTokens.maxActivePerOwner', () => {
  it('refuses a further token with 409, and counts neither revoked nor expired tokens', async () => {
    const test = await startWith({ maxActivePerOwner: 3 });
    const soon = new Date(test.clock.now().getTime() + DAY);
    const first = await test.tokens.create(test.user, REQUEST);
    await test.tokens.create(test.user, { ...REQUEST, expiresAt: soon });
    await test.tokens.create(test.user, REQUEST);

    const client = TokenClient.inSession(test);
    const full = await client.create(REQUEST);
    await test.tokens.revoke(first.token.id);
    const afterRevocation = await client.create(REQUEST);
    test.clock.set(soon);
    const afterExpiry = await client.create(REQUEST);
    await test.tokens.revokeAll(test.user);
    const afterAll = await client.create(REQUEST);

    expect([full.status, full.body.error]).toEqual([409, 'too_many_tokens']);
    expect([afterRevocation, afterExpiry, afterAll].map(({ status }) => status)).toEqual([201, 201, 201]);
  });

  it('holds for 50 concurrent requests at two nodes', async () => {
    const test = await startWith({ maxActivePerOwner: 5 });
    const other = await startWith({ maxActivePerOwner: 5 }, test.databaseUrl);

    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, (_, index) => (index % 2 ? test : other).tokens.create(test.user, REQUEST)),
    );

    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(5);
    expect((await test.tokens.listActive(test.user)).tokens).toHaveLength(5);
  });

  it('lets a full owner rotate at once, but not with a grace period, in which both tokens are active', async () => {
    const test = await startWith({ maxActivePerOwner: 1 });
    const { token } = await test.tokens.create(test.user, REQUEST);

    const withGrace = await refusalOf(test.tokens.rotate(token.id, { graceSeconds: 60 }));
    const { token: successor } = await test.tokens.rotate(token.id);

    expect(withGrace).toBe('too_many_tokens');
    expect((await test.tokens.listActive(test.user)).tokens).toEqual([successor]);
  });
});

describe('jwt.maxFamiliesPerOwner', () => {
  it('revokes the family that was refreshed longest ago, with an audit row', async () => {
    const test = await startJwtApp({ maxFamiliesPerOwner: 2 });
    const signIn = async () => {
      test.clock.advance({ seconds: 1 });
      return test.jwt.generateTokens(test.user, ['read:notes']);
    };
    const first = await signIn();
    const second = await signIn();
    test.clock.advance({ seconds: 1 });
    const refreshed = await test.jwt.refresh(first.refreshToken);

    const third = await signIn();

    const { families } = await test.jwt.listFamilies(test.user);
    expect(families.map(({ id }) => id)).toEqual([familyIdOf(third), familyIdOf(first)]);
    expect(await refusalOf(test.jwt.refresh(second.refreshToken))).toBe('token_revoked');
    expect(await test.jwt.refresh(refreshed.refreshToken)).toBeDefined();
    expect(
      await test.dataSource.query(
        `SELECT f.revoke_reason AS reason, e.metadata->>'reason' AS audited FROM sigra_refresh_families f
         JOIN sigra_audit_events e ON e.target_id = f.id::text AND e.action = 'api.jwt_revoke'`,
      ),
    ).toEqual([{ reason: 'too_many_families', audited: 'too_many_families' }]);
  });
});

describe('Rules that came later than a token', () => {
  it('never make a rotation over HTTP a dead end', async () => {
    const before = await startWith({});
    const { token } = await before.tokens.create(before.user, REQUEST);
    const strict = await startWith({ requireExpiry: true }, before.databaseUrl);
    const client = TokenClient.inSession(strict, before.user.id);
    const expiresAt = new Date(strict.clock.now().getTime() + DAY).toISOString();

    const without = await client.rotate(token.id);
    const withExpiry = await client.rotate(token.id, { expiresAt });

    expect([without.status, without.body.error]).toEqual([400, 'expiry_required']);
    expect([withExpiry.status, withExpiry.body.token.expiresAt]).toEqual([201, expiresAt]);
  });

  it('shorten the successor to the longest lifetime', async () => {
    const before = await startWith({});
    const { token } = await before.tokens.create(before.user, REQUEST);
    const strict = await startWith({ maxTtl: 3600 }, before.databaseUrl);

    const rotated = await TokenClient.inSession(strict, before.user.id).rotate(token.id);

    expect(rotated.body.token.expiresAt).toBe(new Date(strict.clock.now().getTime() + 3_600_000).toISOString());
  });

  it('are reported, oldest token first, in pages', async () => {
    const before = await startWith({});
    const [one, two] = [
      await before.tokens.create(before.user, REQUEST),
      await before.tokens.create(before.user, {
        ...REQUEST,
        expiresAt: new Date(before.clock.now().getTime() + 2 * DAY),
      }),
    ];
    await before.tokens.create(before.user, { ...REQUEST, expiresAt: new Date(before.clock.now().getTime() + 1000) });
    const strict = await startWith({ maxTtl: 86_400 }, before.databaseUrl);

    const first = await strict.tokens.listOutsideRules({ limit: 1 });
    const second = await strict.tokens.listOutsideRules({ limit: 1, cursor: first.nextCursor! });

    expect([...first.tokens, ...second.tokens].map(({ id }) => id)).toEqual([one.token.id, two.token.id]);
    expect(second.nextCursor).toBeNull();
    expect((await before.tokens.listOutsideRules()).tokens).toEqual([]);
  });

  it('end tokens that live too long only with enforceOnExisting', async () => {
    const before = await startWith({});
    const { rawToken } = await before.tokens.create(before.user, REQUEST);
    const lenient = await startWith({ maxTtl: 3600 }, before.databaseUrl);
    const strict = await startWith({ maxTtl: 3600, enforceOnExisting: true }, before.databaseUrl);
    const strictest = await startWith({ requireExpiry: true, enforceOnExisting: true }, before.databaseUrl);
    const clocks = [lenient.clock, strict.clock, strictest.clock];

    const young = await strict.tokens.verify(rawToken);
    clocks.forEach((clock) => clock.set(new Date(before.clock.now().getTime() + 3_600_000)));

    expect(young.name).toBe('CI');
    expect((await lenient.tokens.verify(rawToken)).name).toBe('CI');
    expect(await refusalOf(strict.tokens.verify(rawToken))).toBe('token_expired');
    expect(await refusalOf(strictest.tokens.verify(rawToken))).toBe('token_expired');
  });

  it('end what such a token makes, too, with enforceOnExisting', async () => {
    const before = await startWith({});
    const scopes = ['api_tokens:write', 'read:notes'];
    const maker = await before.tokens.create(before.user, { name: 'maker', scopes });
    const strict = await startWith({ maxTtl: 3600, enforceOnExisting: true }, before.databaseUrl);
    strict.clock.set(new Date(before.clock.now().getTime() + 1_800_000));

    const end = maker.token.createdAt.getTime() + 3_600_000;
    const make = (expiresAt: number) =>
      TokenClient.withToken(strict, maker.rawToken).create({
        name: 'made',
        scopes: ['read:notes'],
        expiresAt: new Date(expiresAt).toISOString(),
      });

    const later = await make(end + 1);
    const inTime = await make(end);

    expect([later.status, later.body.error]).toEqual([400, 'ttl_exceeded']);
    expect(inTime.status).toBe(201);
  });
});
