import { afterEach, describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import { auditActions } from '../support/audit-rows.js';
import type { User } from '../support/test-app.js';
import { closeJwtApps, type JwtApp, startJwtApp } from '../support/jwt-app.js';

afterEach(closeJwtApps);

/** Signs in with a host's `jwt.claims`, and refreshes once: both call it. */
async function claimsWith(claims: (user: User) => unknown): Promise<ReturnType<typeof decodeJwt>[]> {
  return withClaims(claims, async ({ jwt, user }) => {
    const issued = await jwt.generateTokens(user, ['read:notes']);
    const refreshed = await jwt.refresh(issued.refreshToken);
    return [issued, refreshed].map(({ accessToken }) => decodeJwt(accessToken));
  });
}

async function withClaims<T>(claims: (user: User) => unknown, work: (test: JwtApp) => Promise<T>): Promise<T> {
  const test = await startJwtApp({ claims: claims as (user: User) => Record<string, unknown> });
  return work(test);
}

const OURS = ['iss', 'sub', 'aud', 'client_id', 'iat', 'exp', 'jti', 'scope', 'epoch', 'sid'];

describe('jwt.claims', () => {
  it('adds the application’s own claims to every new access token', async () => {
    const [issued, refreshed] = await claimsWith(({ email, passwordHash }) => ({
      email,
      plan: { name: 'pro', seats: [1, 2] },
      passwordHash,
    }));

    expect(Object.keys(issued!).sort()).toEqual([...OURS, 'email', 'plan'].sort());
    expect(issued).toMatchObject({ email: 'ada@example.com', plan: { name: 'pro', seats: [1, 2] } });
    expect(refreshed).toMatchObject({ email: 'ada@example.com', plan: { name: 'pro', seats: [1, 2] } });
  });

  it('can be asynchronous', async () => {
    const [issued] = await claimsWith(({ email }) => Promise.resolve({ email }));

    expect(issued).toMatchObject({ email: 'ada@example.com' });
  });

  it('is called again on refresh, with the current user', async () => {
    await withClaims(
      ({ email }) => ({ email }),
      async ({ jwt, user, dataSource }) => {
        const { refreshToken } = await jwt.generateTokens(user, ['read:notes']);
        await dataSource.query(`UPDATE users SET email = 'lovelace@example.com' WHERE id = $1`, [user.id]);

        const { accessToken } = await jwt.refresh(refreshToken);

        expect(decodeJwt(accessToken)).toMatchObject({ email: 'lovelace@example.com' });
      },
    );
  });

  it('cannot replace, remove or add a claim of ours', async () => {
    const hostile = Object.fromEntries([...OURS, 'nbf'].map((name) => [name, 'mine']));

    const [issued, refreshed] = await claimsWith(() => ({ ...hostile, exp: undefined, extra: 1 }));

    for (const claims of [issued!, refreshed!]) {
      expect(Object.keys(claims).sort()).toEqual([...OURS, 'extra'].sort());
      expect(Object.values(claims)).not.toContain('mine');
    }
  });

  it('cannot replace ours with a toJSON, with getters or with a prototype', async () => {
    const [byMethod] = await claimsWith(() => ({ toJSON: () => ({ sub: 'mine', plan: 'pro' }) }));
    const [byGetter] = await claimsWith(() => ({
      get sub() {
        return 'mine';
      },
      plan: 'pro',
    }));
    const [byPrototype] = await claimsWith(() =>
      Object.assign(Object.create({ sub: 'mine' }) as object, { plan: 'pro' }),
    );

    for (const claims of [byMethod, byGetter, byPrototype]) {
      expect(Object.keys(claims!).sort()).toEqual([...OURS, 'plan'].sort());
      expect(claims).toMatchObject({ plan: 'pro', scope: 'read:notes' });
      expect(claims!.sub).not.toBe('mine');
    }
  });

  it.each<[string, unknown, string]>([
    ['nothing', undefined, 'sigra: jwt.claims must return an object'],
    ['null', null, 'sigra: jwt.claims must return an object'],
    ['a string', 'plan', 'sigra: jwt.claims must return an object'],
    ['a number', 1, 'sigra: jwt.claims must return an object'],
    ['an array', [], 'sigra: jwt.claims must return an object'],
    ['a function', () => ({}), 'sigra: jwt.claims must return an object'],
    ['a date', new Date(), 'sigra: jwt.claims must return an object'],
    ['a circular object', circle(), 'sigra: jwt.claims must return a JSON object'],
    ['a bigint', { id: 1n }, 'sigra: jwt.claims must return a JSON object'],
    ['an object without a JSON form', { toJSON: () => undefined }, 'sigra: jwt.claims must return a JSON object'],
    [
      'a claim with the name of an inherited property',
      JSON.parse('{"constructor":1}'),
      'sigra: jwt.claims must not have a claim named constructor',
    ],
    [
      'a claim named __proto__',
      JSON.parse('{"__proto__":{"sub":1}}'),
      'sigra: jwt.claims must not have a claim named __proto__',
    ],
  ])('issues no tokens when it returns %s', async (_what, returned, message) => {
    await withClaims(
      () => returned,
      async ({ jwt, user, dataSource }) => {
        const failure = await failureOf(jwt.generateTokens(user, ['read:notes']));

        expect(failure).toMatchObject({ name: 'TypeError', message });
        expect(await dataSource.query('SELECT * FROM sigra_refresh_families')).toEqual([]);
        expect(await auditActions(dataSource)).toEqual([]);
      },
    );
  });

  it('passes its error to the caller but not to clients, and consumes no refresh token', async () => {
    let broken = false;
    const claims = () => {
      if (broken) throw new Error('the billing service says: secret-detail');
      return {};
    };
    const test = await startJwtApp({ claims }, { sigra: { controllers: { oauth: 'oauth' } } });
    const { refreshToken } = await test.jwt.generateTokens(test.user, ['read:notes']);

    broken = true;
    const failure = await failureOf(test.jwt.refresh(refreshToken));
    const answer = await refreshOverHttp(test, refreshToken);
    broken = false;
    const afterwards = await test.jwt.refresh(refreshToken);

    expect(failure).toMatchObject({ message: 'the billing service says: secret-detail' });
    expect(answer.status).toBe(500);
    expect(answer.text).not.toContain('secret-detail');
    expect(afterwards.scope).toBe('read:notes');
  });

  it('issues no tokens and consumes no refresh token when the access token would exceed 8 KB', async () => {
    let size = 0;
    const test = await startJwtApp({ claims: () => ({ fill: 'x'.repeat(size) }) });
    const { refreshToken } = await test.jwt.generateTokens(test.user, ['read:notes']);

    size = 8000;
    const failures = [
      await failureOf(test.jwt.generateTokens(test.user, ['read:notes'])),
      await failureOf(test.jwt.refresh(refreshToken)),
    ];
    size = 5000;
    const { accessToken } = await test.jwt.refresh(refreshToken);
    const answer = await test.present(accessToken);
    const families: unknown[] = await test.dataSource.query('SELECT * FROM sigra_refresh_families');

    for (const failure of failures) {
      expect(failure).toMatchObject({
        name: 'TypeError',
        message: 'sigra: jwt.claims makes an access token of over 8192 bytes, which is never accepted',
      });
    }
    expect(answer.status).toBe(200);
    expect(families).toHaveLength(1);
  });

  it('is not to blame for scopes that do not fit beside them', async () => {
    const scopes = Array.from({ length: 150 }, (_, index) => `read:notes-of-team-${1000 + index}`);
    const claims = () => ({ fill: 'x'.repeat(3000) });
    const test = await startJwtApp({ claims }, { sigra: { apiTokens: { scopes } } });

    const failure = await failureOf(test.jwt.generateTokens(test.user, scopes));

    expect(failure).toMatchObject({
      code: 'invalid_scope_format',
      message: expect.stringContaining('Request fewer scopes'),
    });
  });

  it('can return any JSON value, in any script', async () => {
    const said = { name: 'Ada «Löwe» 💥 \u0000 \ud800', nothing: null, deep: { list: [true, 1.5, {}] } };

    const accepted = await withClaims(
      () => said,
      async ({ jwt, user }) => jwt.verifyAccess((await jwt.generateTokens(user, ['read:notes'])).accessToken),
    );

    expect(accepted).toMatchObject(said);
  });
});

function circle(): object {
  const around: { self?: object } = {};
  around.self = around;
  return around;
}

async function failureOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => 'it resolved',
    (error: unknown) => error,
  );
}

async function refreshOverHttp(test: JwtApp, refreshToken: string): Promise<{ status: number; text: string }> {
  const answer = await fetch(`${test.url}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken }),
  });
  return { status: answer.status, text: await answer.text() };
}
