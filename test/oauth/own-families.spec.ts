import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { auditRows } from '../support/audit-rows.js';
import { familyIdOf } from '../support/jwt-app.js';
import { type OAuthApp, startOAuthApp } from '../support/oauth-app.js';
import { refusalOf } from '../support/refusal.js';
import { ADAPTERS, type User } from '../support/test-app.js';

interface Page {
  readonly families: readonly { readonly id: string; readonly current: boolean }[];
  readonly nextCursor: string | null;
}

describe.each(ADAPTERS)("One's own sign-ins at /api/jwt on %s", (adapter) => {
  let test: OAuthApp;
  let user: User;
  let number = 0;

  beforeAll(async () => {
    test = await startOAuthApp({ check: 'family' }, { adapter });
  });
  afterAll(() => test.close());

  const newUser = async () => (user = await test.addUser(`user${number++}@example.com`));
  const signIn = (...scopes: string[]) =>
    test.jwt.generateTokens(user, scopes, { ipAddress: '192.0.2.1', userAgent: 'phone' });
  const session = () => ({ 'x-session-user': user.id });
  const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` });
  const ask = async (method: string, path: string, headers: Record<string, string>) => {
    const answer = await fetch(`${test.url}/api/jwt${path}`, { method, headers });
    const text = await answer.text();
    return {
      status: answer.status,
      headers: answer.headers,
      body: text === '' ? undefined : (JSON.parse(text) as unknown),
    };
  };

  it('are listed newest first, with what a person needs to recognize them', async () => {
    await newUser();
    const [one, other] = [await signIn('read:notes'), await signIn('sessions:read')];
    test.clock.advance({ seconds: 60 });
    const refreshed = await test.jwt.refresh(one.refreshToken);

    const { status, headers, body } = await ask('GET', '', session());
    const byJwt = await ask('GET', '', bearer(other.accessToken));

    const created = new Date(test.clock.now().getTime() - 60_000).toISOString();
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect(body).toEqual({
      families: [
        expect.objectContaining({ id: familyIdOf(other), scopes: ['sessions:read'], refreshedAt: created }),
        {
          id: familyIdOf(refreshed),
          scopes: ['read:notes'],
          ipAddress: '192.0.2.1',
          userAgent: 'phone',
          createdAt: created,
          refreshedAt: test.clock.now().toISOString(),
          expiresAt: new Date(Date.parse(created) + 7_776_000_000).toISOString(),
          current: false,
        },
      ],
      nextCursor: null,
    });
    expect((byJwt.body as Page).families.map(({ current }) => current)).toEqual([true, false]);
  });

  it('are listed in pages: each once, also if some end and others begin meanwhile', async () => {
    await newUser();
    const ids: string[] = [];
    for (let index = 0; index < 7; index++) {
      if (index % 2) test.clock.advance({ milliseconds: 1 });
      ids.unshift(familyIdOf(await signIn('read:notes')));
    }

    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { body } = await ask('GET', `?limit=3${cursor && `&cursor=${cursor}`}`, session());
      const page = body as Page;
      seen.push(...page.families.map(({ id }) => id));
      cursor = page.nextCursor;
      if (seen.length === 3) {
        await test.jwt.revokeFamily(user, ids[3]!);
        await signIn('read:notes');
      }
    }

    expect(seen).toEqual(ids.filter((id) => id !== ids[3]));
  });

  it.each([
    ['limit=0', 'invalid_limit'],
    ['limit=201', 'invalid_limit'],
    ['limit=x', 'invalid_limit'],
    ['cursor=x', 'invalid_cursor'],
    ['cursor=a&cursor=b', 'invalid_cursor'],
  ])('are not listed with %s', async (query, error) => {
    await newUser();

    const { status, body } = await ask('GET', `?${query}`, session());

    expect([status, body]).toMatchObject([400, { error }]);
  });

  it('end one by one, at once, with an audit row', async () => {
    await newUser();
    const [one, other] = [await signIn('read:notes'), await signIn('read:notes')];

    const first = await ask('DELETE', `/${familyIdOf(one)}`, session());
    const again = await ask('DELETE', `/${familyIdOf(one)}`, session());

    expect([first.status, first.body, again.status]).toEqual([204, undefined, 204]);
    expect(await refusalOf(test.jwt.verifyAccess(one.accessToken))).toBe('token_revoked');
    expect(await refusalOf(test.jwt.refresh(one.refreshToken))).toBe('token_revoked');
    expect((await test.present(other.accessToken)).status).toBe(200);
    expect((await auditRows(test.dataSource, familyIdOf(one))).slice(1)).toMatchObject([
      { action: 'api.jwt_revoke', actor_id: user.id, metadata: { method: 'session' } },
    ]);
  });

  it('end all together, with their number', async () => {
    await newUser();
    const pairs = [await signIn('read:notes'), await signIn('admin')];
    const stranger = await test.jwt.generateTokens(test.user, ['read:notes']);

    const { status, body } = await ask('DELETE', '', session());

    expect([status, body]).toEqual([200, { revoked: 2 }]);
    for (const { accessToken, refreshToken } of pairs) {
      expect((await test.present(accessToken)).status).toBe(401);
      expect(await refusalOf(test.jwt.refresh(refreshToken))).toBe('token_revoked');
    }
    expect((await test.present(stranger.accessToken)).status).toBe(200);
  });

  it('are those of the caller: ids of others are not found', async () => {
    await newUser();
    const stranger = await test.jwt.generateTokens(test.user, ['read:notes']);

    const answers = [
      await ask('DELETE', `/${familyIdOf(stranger)}`, session()),
      await ask('DELETE', '/x', session()),
      await ask('DELETE', '/', session()),
      await ask('DELETE', '/%00', session()),
    ];

    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 404]);
    expect(((await ask('GET', '', session())).body as Page).families).toEqual([]);
    expect((await test.present(stranger.accessToken)).status).toBe(200);
  });

  it('need a scope of a credential: sessions:read to list, sessions:write to end', async () => {
    await newUser();
    const id = familyIdOf(await signIn('read:notes'));
    const [reads, writes] = [await signIn('sessions:read'), await signIn('sessions:write')];

    const answers = [
      await ask('GET', '', {}),
      await ask('DELETE', '', {}),
      await ask('GET', '', bearer(writes.accessToken)),
      await ask('DELETE', '', bearer(reads.accessToken)),
      await ask('DELETE', `/${id}`, bearer(reads.accessToken)),
    ];

    expect(answers.map(({ status }) => status)).toEqual([401, 401, 403, 403, 403]);
  });

  it('end by a credential only if it holds their scopes, or if it is the family itself', async () => {
    await newUser();
    const admin = await signIn('admin');
    const own = await signIn('sessions:write');
    const { rawToken } = await test.tokens.create(user, { name: 'CI', scopes: ['sessions:write', 'read:notes'] });
    const wide = await test.tokens.create(user, { name: 'CI', scopes: ['*'] });
    const narrow = await test.jwt.generateTokens(user, ['sessions:write', 'admin']);
    const narrowed = await test.jwt.refresh(narrow.refreshToken, { scopes: ['sessions:write'] });

    const refused = [
      await ask('DELETE', `/${familyIdOf(admin)}`, bearer(own.accessToken)),
      await ask('DELETE', `/${familyIdOf(admin)}`, bearer(rawToken)),
      await ask('DELETE', '', bearer(rawToken)),
      await ask('DELETE', '', bearer(own.accessToken)),
    ];
    const itself = await ask('DELETE', `/${familyIdOf(narrowed)}`, bearer(narrowed.accessToken));
    const before = await test.present(admin.accessToken);
    const all = await ask('DELETE', '', bearer(wide.rawToken));

    expect(refused.map(({ status, body }) => [status, (body as { error: string }).error])).toEqual(
      refused.map(() => [403, 'insufficient_scope']),
    );
    expect([itself.status, before.status, all.status, all.body]).toEqual([204, 200, 200, { revoked: 2 }]);
  });

  it('do not end by a request from another origin', async () => {
    await newUser();
    const { accessToken } = await signIn('read:notes');
    const foreign = { ...session(), 'sec-fetch-site': 'cross-site', origin: 'https://attacker.example' };

    const answers = [await ask('DELETE', '', foreign), await ask('DELETE', `/${familyIdOf({ accessToken })}`, foreign)];

    expect(answers.map(({ status }) => status)).toEqual([403, 403]);
    expect((await test.present(accessToken)).status).toBe(200);
  });
});
