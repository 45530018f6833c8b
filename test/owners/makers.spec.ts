import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get } from '@nestjs/common';
import { CredentialService, CurrentPrincipal, type Principal, SweepEntity } from 'nestjs-sigra';
import { familyRow } from '../support/family-rows.js';
import { familyIdOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { refusalOf } from '../support/refusal.js';
import type { User } from '../support/test-app.js';

const kept: Principal[] = [];

/** Keeps the principal of its last request, as a handler does that calls a service later. */
@Controller('kept')
class KeepingController {
  @Get()
  keep(@CurrentPrincipal() principal: Principal) {
    kept.push(principal);
    return {};
  }
}

const REQUEST = { name: 'made', scopes: ['read:notes'] };

describe('A principal that makes credentials', () => {
  let test: JwtApp;
  let count = 0;

  beforeAll(async () => {
    test = await startJwtApp(
      { check: 'stateless', accessTtl: 3600, maxFamiliesPerOwner: 2 },
      { controllers: [KeepingController] },
    );
  });
  afterAll(() => test.close());

  const addUser = () => test.addUser(`user-${++count}@example.com`);
  const principalOf = async (headers: Record<string, string>): Promise<Principal> => {
    const { status } = await fetch(`${test.url}/kept`, { headers });
    expect(status).toBe(200);
    return kept.pop()!;
  };
  const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` });
  const tokenOf = (user: User, scopes = ['*']) => test.tokens.create(user, { name: 'maker', scopes });
  /** As a job queue does. The stamp is lost. */
  const copyOf = (principal: Principal): Principal => JSON.parse(JSON.stringify(principal)) as Principal;

  const ways: [string, (user: User) => Promise<Record<string, string>>][] = [
    ['an API token', async (user) => bearer((await tokenOf(user)).rawToken)],
    ['a JWT', async (user) => bearer((await test.jwt.generateTokens(user, ['*'])).accessToken)],
    ['a session', (user) => Promise.resolve({ 'x-session-user': user.id })],
  ];

  it.each(ways)('makes nothing for another user after its own was deactivated: %s', async (_what, headersOf) => {
    const [user, other] = [await addUser(), await addUser()];
    const principal = await principalOf(await headersOf(user));
    const before = await test.tokens.create(other, REQUEST, { principal });
    await test.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [user.id]);

    const created = await refusalOf(test.tokens.create(other, REQUEST, { principal }));
    const signedIn = await refusalOf(test.jwt.generateTokens(other, ['read:notes'], { principal }));
    const rotated = await refusalOf(test.tokens.rotate(before.token.id, {}, { principal }));

    expect([created, signedIn, rotated]).toEqual(['token_revoked', 'token_revoked', 'token_revoked']);
  });

  it('makes nothing after a lock-out, also as a copy without a stamp, before the rows are marked', async () => {
    const user = await addUser();
    const { rawToken, token } = await tokenOf(user);
    const pair = await test.jwt.generateTokens(user, ['*']);
    const copies = [await principalOf(bearer(rawToken)), await principalOf(bearer(pair.accessToken))].map(copyOf);
    await test.get(CredentialService).lockOut(user);
    // As in the middle of a sweep of many rows.
    await test.dataSource.query('UPDATE sigra_api_tokens SET revoked_at = NULL, revoke_reason = NULL WHERE id = $1', [
      token.id,
    ]);
    await test.dataSource.query('UPDATE sigra_refresh_families SET revoked_at = NULL WHERE id = $1', [
      familyIdOf(pair),
    ]);

    const refusals = await Promise.all(
      copies.map((principal) => refusalOf(test.tokens.create(user, REQUEST, { principal }))),
    );

    expect(refusals).toEqual(['token_revoked', 'token_revoked']);
  });

  it('makes nothing as a copy whose row was deleted, or that names none', async () => {
    const user = await addUser();
    const { rawToken, token } = await tokenOf(user);
    const pair = await test.jwt.generateTokens(user, ['*']);
    const copies = [await principalOf(bearer(rawToken)), await principalOf(bearer(pair.accessToken))].map(copyOf);
    const nameless = copies.map(({ user: of, userId, method, scopes }) => ({ user: of, userId, method, scopes }));
    await test.dataSource.query('DELETE FROM sigra_api_tokens WHERE id = $1', [token.id]);
    await test.dataSource.query('DELETE FROM sigra_refresh_families WHERE id = $1', [familyIdOf(pair)]);

    const refusals = await Promise.all(
      [...copies, ...nameless].map((principal) => refusalOf(test.tokens.create(user, REQUEST, { principal }))),
    );

    expect(refusals).toEqual(Array<string>(4).fill('token_revoked'));
  });

  it('does not sign out devices with more scopes than its own', async () => {
    const user = await addUser();
    const narrow = await principalOf(bearer((await tokenOf(user, ['read:notes'])).rawToken));
    const devices = [await test.jwt.generateTokens(user, ['*']), await test.jwt.generateTokens(user, ['read:notes'])];

    const refusal = await refusalOf(test.jwt.generateTokens(user, ['read:notes'], { principal: narrow }));
    const rows = await Promise.all(devices.map((pair) => familyRow(test.dataSource, familyIdOf(pair))));
    const inPerson = await principalOf({ 'x-session-user': user.id });
    await test.jwt.generateTokens(user, ['read:notes'], { principal: inPerson });

    expect(refusal).toBe('insufficient_scope');
    expect(rows.map(({ revoked_at }) => revoked_at)).toEqual([null, null]);
    expect((await familyRow(test.dataSource, familyIdOf(devices[0]!))).revoke_reason).toBe('too_many_families');
  });
});

describe('A principal that ends all credentials of an owner', () => {
  let test: JwtApp;
  beforeAll(async () => {
    test = await startJwtApp({}, { controllers: [KeepingController] });
  });
  afterAll(() => test.close());

  it.each(['lockOut', 'forget'] as const)('needs all of their scopes, or is the owner in person: %s', async (end) => {
    const user = await test.addUser(`${end}@example.com`);
    const credentials = test.get(CredentialService);
    const call = (principal: Principal) =>
      end === 'lockOut' ? credentials.lockOut(user, { principal }) : credentials.forget(user, {}, { principal });
    const { rawToken } = await test.tokens.create(user, { name: 'narrow', scopes: ['read:notes'] });
    const pair = await test.jwt.generateTokens(user, ['*']);
    const [narrow, inPerson] = [{ authorization: `Bearer ${rawToken}` }, { 'x-session-user': user.id }] as Record<
      string,
      string
    >[];
    const principals: Principal[] = [];
    for (const headers of [narrow!, inPerson!]) {
      await fetch(`${test.url}/kept`, { headers });
      principals.push(kept.pop()!);
    }

    const refusal = await refusalOf(call(principals[0]!));
    const stillValid = await test.present(pair.accessToken);
    await call(principals[1]!);

    expect(refusal).toBe('insufficient_scope');
    expect(stillValid.status).toBe(200);
    expect((await test.present(pair.accessToken)).status).toBe(401);
  });
});

describe('The sweeps of another type of owners', () => {
  it('are left to the module of that type, which knows its rules for audit rows', async () => {
    const test = await startJwtApp();
    const sweeps = test.dataSource.getRepository(SweepEntity);
    const id = '01890000-0000-7000-8000-000000000000';
    await sweeps.insert({
      ...{ id, ownerType: 'admin', ownerId: '1', task: 'mark_tokens', tokenEpoch: 1, familyEpoch: 1 },
      requestedAt: new Date(),
    });

    await test.get(CredentialService).lockOut(test.user);
    const left = (await sweeps.find()).map((sweep) => sweep.id);
    await test.close();

    expect(left).toEqual([id]);
  });
});
