import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Clock, SigraJwtService, SystemClock } from 'nestjs-sigra';
import { assertScopeDenied, bearer, expiredJwt, generateJwt, jwtWithScopes, refreshPair } from 'nestjs-sigra/testing';
import { JWT, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { bodyOf, CLIENTS, statusOf } from '../support/http-clients.js';

describe.each(CLIENTS)('JWTs of the testing kit through $client', ({ adapter, send }) => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp({ check: 'family' }, { adapter });
  });
  afterAll(() => test.close());

  it('open every route by default', async () => {
    const jwt = await generateJwt(test.app, test.user);

    const me = await send(test, 'GET', '/notes/me', bearer(jwt));
    const write = await send(test, 'POST', '/notes', bearer(jwt));

    expect(await bodyOf(me)).toMatchObject({ userId: test.user.id, method: 'jwt', scopes: ['*'] });
    expect(statusOf(write)).toBe(201);
  });

  it('open only what their scopes allow', async () => {
    const jwts = [
      await jwtWithScopes(test.app, test.user, ['read:notes']),
      await generateJwt(test.app, test.user.id, ['read:notes']),
      (await refreshPair(test.app, test.user, ['read:notes'])).accessToken,
    ];

    for (const jwt of jwts) {
      const read = await send(test, 'GET', '/notes', bearer(jwt));
      const write = await send(test, 'POST', '/notes', bearer(jwt));
      expect(statusOf(read)).toBe(200);
      await assertScopeDenied(write, ['write:notes']);
    }
  });

  it('are rejected after they have expired', async () => {
    const jwt = await expiredJwt(test.app, test.user, ['read:notes']);

    const answer = await send(test, 'GET', '/notes', bearer(jwt));

    expect(statusOf(answer)).toBe(401);
    expect(await bodyOf(answer)).toMatchObject({ error: 'invalid_token' });
    expect(await refusalOf(test.jwt.verifyAccess(jwt))).toBe('token_expired');
  });
});

describe('refreshPair', () => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp();
  });
  afterAll(() => test.close());

  it('can be refreshed once, like any other pair', async () => {
    const first = await refreshPair(test.app, test.user, ['read:notes']);

    const second = await test.jwt.refresh(first.refreshToken);

    expect(second).toMatchObject({ scope: 'read:notes', tokenType: 'Bearer' });
    expect(await refusalOf(test.jwt.refresh(first.refreshToken))).toBe('reuse_detected');
  });

  it('starts a new family each time', async () => {
    const user = await test.addUser('grace@example.com');

    await refreshPair(test.app, user);
    await refreshPair(test.app, user);

    expect((await test.jwt.listFamilies(user)).families).toHaveLength(2);
  });
});

describe('expiredJwt', () => {
  it('is valid except for its expiry: it was accepted before, and its family is alive', async () => {
    const test = await startJwtApp({ check: 'family', claims: ({ email }) => ({ email }) });
    const jwt = await expiredJwt(test.app, test.user, ['read:notes', 'admin']);
    const now = test.clock.now();

    test.clock.set(new Date(now.getTime() - 302_000));
    const claims = await test.jwt.verifyAccess(jwt);
    test.clock.set(new Date(now.getTime() - 300_000));
    const refusal = await refusalOf(test.jwt.verifyAccess(jwt));
    const { families } = await test.jwt.listFamilies(test.user);
    await test.close();

    expect(claims).toMatchObject({ sub: test.user.id, scope: 'read:notes admin', email: 'ada@example.com' });
    expect(claims.exp - claims.iat).toBe(900);
    expect(families.map(({ id }) => id)).toEqual([claims.sid]);
    expect(refusal).toBe('token_expired');
  });

  it.each(['stateless', 'epoch', 'family'] as const)(
    'has expired beyond the largest clock tolerance, with the check %s',
    async (check) => {
      const test = await startJwtApp({ check, clockTolerance: 300 });

      const jwt = await expiredJwt(test.app, test.user);
      const refusal = await refusalOf(test.jwt.verifyAccess(jwt));
      await test.close();

      expect(refusal).toBe('token_expired');
    },
  );

  it('works without FakeClock', async () => {
    const test = await startJwtApp(
      {},
      { configure: (builder) => builder.overrideProvider(Clock).useValue(new SystemClock()) },
    );

    const jwt = await expiredJwt(test.app, test.user);
    const refusal = await refusalOf(test.jwt.verifyAccess(jwt));
    const clock = test.app.get(Clock);
    await test.close();

    expect(clock).toBeInstanceOf(SystemClock);
    expect(refusal).toBe('token_expired');
  });
});

describe.each([
  { title: 'generateJwt', make: generateJwt },
  { title: 'jwtWithScopes', make: jwtWithScopes },
  { title: 'refreshPair', make: refreshPair },
  { title: 'expiredJwt', make: expiredJwt },
])('$title', ({ make }) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp({ sigra: { jwt: JWT } });
  });
  afterAll(() => test.close());

  it('is subject to the rules of the application', async () => {
    const unknown = '00000000-0000-4000-8000-000000000000';

    const refusals = [
      await refusalOf(make(test.app, test.user, ['read:nots'])),
      await refusalOf(make(test.app, test.user, [])),
      await refusalOf(make(test.app, unknown, ['read:notes'])),
    ];

    expect(refusals).toEqual(['unregistered_scopes', 'scopes_required', 'not_found']);
    expect((await test.get(SigraJwtService).listFamilies(test.user)).families).toEqual([]);
  });

  it('is rejected if JWTs are not enabled', async () => {
    const without = await startTestApp();

    const refusal = await refusalOf(make(without.app, without.user, ['read:notes']));
    await without.close();

    expect(refusal).toBe('jwt_disabled');
  });
});
