import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';
import { TokenClient } from '../support/token-client.js';

const ISO = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

describe.each(ADAPTERS)('The token controller on %s', (adapter) => {
  let test: TestApp;
  let page: TokenClient;

  beforeAll(async () => {
    test = await startTestApp({ adapter });
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    page = TokenClient.inSession(test, (await test.addUser('somebody@example.com')).id);
  });

  const isAccepted = async (rawToken: string) =>
    (await fetch(`${test.url}/notes/me`, { headers: { authorization: `Bearer ${rawToken}` } })).status === 200;
  const create = async (name = 'CI') => (await page.create({ name, scopes: ['read:notes'] })).body;

  it('creates a token, and returns its raw form only once', async () => {
    const created = await page.create({ name: ' CI ', scopes: ['read:notes'], expiresAt: '2999-01-31T12:00:00+01:00' });
    const listed = await page.list();

    expect(created.status).toBe(201);
    expect(created.headers.get('cache-control')).toBe('no-store');
    expect(created.body).toEqual({
      rawToken: expect.stringMatching(/^sigra_sk_[0-9A-Za-z]{49}$/),
      token: {
        id: expect.stringMatching(UUID),
        originId: null,
        name: 'CI',
        description: null,
        metadata: {},
        kind: null,
        prefix: 'sigra_sk_',
        hint: created.body.rawToken.slice(9, 13),
        scopes: ['read:notes'],
        allowedIps: null,
        resources: null,
        expiresAt: '2999-01-31T11:00:00.000Z',
        lastUsedAt: null,
        lastUsedIp: null,
        replacedBy: null,
        madeBy: null,
        createdAt: expect.stringMatching(ISO),
      },
    });
    expect(await isAccepted(created.body.rawToken)).toBe(true);
    expect(listed.body).toEqual({ tokens: [created.body.token], nextCursor: null });
  });

  it('lists the newest token first on request, and refuses another order', async () => {
    const names: string[] = [];
    for (const name of ['One', 'Two', 'Three']) await create(name);

    let path = '/api/tokens?order=newest&limit=2';
    for (let cursor: string | null = ''; cursor !== null; path = `/api/tokens?order=newest&cursor=${cursor}`) {
      const { body } = await page.send('GET', path);
      names.push(...body.tokens.map(({ name }) => name));
      cursor = body.nextCursor;
    }
    const refused = await page.send('GET', '/api/tokens?order=random');

    expect(names.slice(0, 3)).toEqual(['Three', 'Two', 'One']);
    expect([refused.status, refused.body.error]).toEqual([400, 'invalid_filter']);
  });

  it('lists with no-store, because names and scopes are private', async () => {
    const listed = await page.list();

    expect(listed.status).toBe(200);
    expect(listed.headers.get('cache-control')).toBe('no-store');
  });

  it('revokes a token with 204 and no body, and gives the same answer again', async () => {
    const { rawToken, token } = await create();

    const first = await page.revoke(token.id);
    const second = await page.revoke(token.id);

    expect([first.status, first.body]).toEqual([204, null]);
    expect([second.status, second.body]).toEqual([204, null]);
    expect(await isAccepted(rawToken)).toBe(false);
  });

  it('revokes all tokens of the caller, and returns how many', async () => {
    const tokens = [await create('a'), await create('b'), await create('c')];
    await page.revoke(tokens[0]!.token.id);

    const answer = await page.revokeAll();

    expect([answer.status, answer.body]).toEqual([200, { revoked: 2 }]);
    expect(await Promise.all(tokens.map(({ rawToken }) => isAccepted(rawToken)))).toEqual([false, false, false]);
    expect((await page.list()).body.tokens).toEqual([]);
    expect((await page.revokeAll()).body).toEqual({ revoked: 0 });
  });

  it('changes a token, in the answer and at once', async () => {
    const { rawToken, token } = (
      await page.create({ name: 'CI', description: 'old', metadata: { a: 1 }, scopes: ['read:notes', 'admin'] })
    ).body;
    const changes = {
      name: 'Deploy',
      description: 'Two\nlines',
      metadata: { team: 'web' },
      scopes: ['admin'],
      expiresAt: '2999-01-31T12:00:00.000Z',
    };

    const answer = await page.update(token.id, changes);
    const notes = await TokenClient.withToken(test, rawToken).send('GET', '/notes');

    expect([answer.status, answer.body]).toEqual([200, { token: { ...token, ...changes } }]);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect((await page.list()).body.tokens).toEqual([answer.body.token]);
    expect(notes.status).toBe(403);
  });

  it('changes only what the body names, and removes with null', async () => {
    const { token } = (await page.create({ name: 'CI', description: 'd', metadata: { a: 1 }, scopes: ['admin'] })).body;

    const empty = await page.update(token.id, {});
    const removed = await page.update(token.id, { description: null, metadata: null });

    expect(empty.body.token).toEqual(token);
    expect(removed.body.token).toEqual({ ...token, description: null, metadata: {} });
  });

  it('rotates a token, and ends the old one at once', async () => {
    const old = await create('deploy');

    const rotated = await page.rotate(old.token.id);

    expect(rotated.status).toBe(201);
    expect(rotated.headers.get('cache-control')).toBe('no-store');
    expect(rotated.body.token).toMatchObject({ name: 'deploy', scopes: ['read:notes'] });
    expect(rotated.body.token.id).not.toBe(old.token.id);
    expect(await isAccepted(old.rawToken)).toBe(false);
    expect(await isAccepted(rotated.body.rawToken)).toBe(true);
  });

  it('rotates a token with grace, and ends the grace on time', async () => {
    const old = await create();

    const rotated = await page.rotate(old.token.id, { graceSeconds: 60 });
    const during = await isAccepted(old.rawToken);
    test.clock.advance({ seconds: 60 });
    const after = await isAccepted(old.rawToken);

    expect(rotated.status).toBe(201);
    expect([during, after]).toEqual([true, false]);
    expect(await isAccepted(rotated.body.rawToken)).toBe(true);
  });

  it('answers 409 to the rotation or change of a token that is revoked, rotated or expired', async () => {
    const revoked = await create();
    await page.revoke(revoked.token.id);
    const rotated = await create();
    await page.rotate(rotated.token.id, { graceSeconds: 600 });
    const inAMinute = new Date(test.clock.now().getTime() + 60_000);
    const expired = (await page.create({ name: 'brief', scopes: ['read:notes'], expiresAt: inAMinute })).body;
    test.clock.advance({ minutes: 1 });

    const answers = await Promise.all([revoked, rotated, expired].map(({ token }) => page.rotate(token.id)));

    expect(answers.map(({ status, body }) => [status, body])).toEqual([
      [409, { statusCode: 409, error: 'token_revoked', message: 'The token has been revoked.' }],
      [409, { statusCode: 409, error: 'token_revoked', message: 'The token has already been rotated.' }],
      [409, { statusCode: 409, error: 'token_expired', message: 'The token has expired.' }],
    ]);
    expect(answers.map(({ headers }) => headers.get('www-authenticate'))).toEqual([null, null, null]);
    const changes = await Promise.all([revoked, rotated, expired].map(({ token }) => page.update(token.id, {})));
    expect(changes.map(({ status, body }) => [status, body])).toEqual(
      answers.map(({ status, body }) => [status, body]),
    );
  });

  it('pages through tokens that were created in the same instant, without a gap or a repetition', async () => {
    const names = Array.from({ length: 7 }, (_, index) => `token ${index}`);
    for (const name of names) await create(name);

    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body } = await page.list(`?limit=2${cursor && `&cursor=${cursor}`}`);
      seen.push(...body.tokens.map(({ name }) => name));
      cursor = body.nextCursor;
    }

    expect(seen).toEqual(names);
  });

  it('returns no cursor when the last page is full', async () => {
    await create('a');
    await create('b');

    const { body } = await page.list('?limit=2');

    expect(body.tokens).toHaveLength(2);
    expect(body.nextCursor).toBeNull();
  });

  it('lists the scopes that a token can be given, for every authenticated caller', async () => {
    const { rawToken } = await create();

    const answer = await TokenClient.withToken(test, rawToken).send('GET', '/api/scopes');
    const anonymous = await TokenClient.anonymous(test).send('GET', '/api/scopes');

    expect(answer.body.scopes).toEqual(
      expect.arrayContaining(['profile:read', 'api_tokens:write', 'read:notes', 'admin']),
    );
    expect(answer.body.catalogue).toContainEqual({
      name: 'api_tokens:write',
      title: 'Create, change, rotate and revoke API tokens',
      description: null,
      implies: [],
      group: null,
      danger: true,
    });
    expect(answer.body.catalogue.map(({ name }) => name)).toEqual(answer.body.scopes);
    expect(answer.body.kinds).toEqual([
      { name: null, prefix: 'sigra_sk_', scopes: null, ownerTypes: null, requireExpiry: false, maxTtl: null },
    ]);
    expect(anonymous.status).toBe(401);
  });
});
