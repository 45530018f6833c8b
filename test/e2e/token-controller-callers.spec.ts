import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ADAPTERS, startTestApp, type TestApp, type User } from '../support/test-app.js';
import { type AnswerBody, TokenClient } from '../support/token-client.js';

const MANAGER = ['api_tokens:read', 'api_tokens:write', 'read:notes'];
const ABSENT = '00000000-0000-7000-8000-000000000000';

describe.each(ADAPTERS)('A caller of the token controller on %s', (adapter) => {
  let test: TestApp;
  let grace: User;
  let theirs: AnswerBody;

  beforeAll(async () => {
    test = await startTestApp({ adapter });
    grace = await test.addUser('grace@example.com');
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    theirs = (await TokenClient.inSession(test, grace.id).create({ name: 'theirs', scopes: ['read:notes'] })).body;
  });

  const holding = async (...scopes: string[]) =>
    TokenClient.withToken(test, (await test.tokens.create(test.user, { name: 'manager', scopes })).rawToken);
  const isActive = async (user: User, id: string) =>
    (await test.tokens.listActive(user, { limit: 200 })).tokens.some((token) => token.id === id);
  const countOf = async (user: User) => (await test.tokens.listActive(user, { limit: 200 })).tokens.length;

  it('can do nothing without a credential, whatever user the body names', async () => {
    const anonymous = TokenClient.anonymous(test);
    const before = await countOf(grace);

    const answers = await Promise.all([
      anonymous.list(),
      anonymous.list(`?userId=${grace.id}&user_id=${grace.id}`),
      anonymous.create({ userId: grace.id, user_id: grace.id, user: { id: grace.id }, name: 'x', scopes: ['admin'] }),
      anonymous.revoke(theirs.token.id),
      anonymous.revokeAll(),
      anonymous.rotate(theirs.token.id),
      anonymous.update(theirs.token.id, { name: 'x' }),
    ]);

    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401, 401, 401]);
    expect(await countOf(grace)).toBe(before);
  });

  it.each(['userId', 'user_id', 'user', 'owner', 'ownerId', 'id', 'isAdmin', 'tokenHash', 'revokedAt', 'createdAt'])(
    'cannot set %s of a new token: its owner is always the principal',
    async (field) => {
      const before = await countOf(grace);

      const answer = await TokenClient.inSession(test).create({
        name: 'x',
        scopes: ['read:notes'],
        [field]: field === 'user' ? { id: grace.id } : grace.id,
      });

      expect([answer.status, answer.body]).toEqual([
        400,
        { statusCode: 400, error: 'invalid_request', message: `Unknown field "${field}".` },
      ]);
      expect(await countOf(grace)).toBe(before);
    },
  );

  it('changes neither tokens of others, nor those with scopes that it does not hold, nor to wider scopes', async () => {
    const { token } = await test.tokens.create(test.user, { name: 'mine', scopes: ['admin'] });
    const manager = await holding(...MANAGER);
    const reader = await holding('api_tokens:read', 'admin');

    const foreign = await manager.update(theirs.token.id, { name: 'x' });
    const absent = await manager.update(ABSENT, { name: 'x' });
    const unheld = await manager.update(token.id, { name: 'x' });
    const unscoped = await reader.update(token.id, { name: 'x' });
    const wider = await TokenClient.inSession(test).update(token.id, { scopes: ['admin', 'read:notes'] });

    expect([foreign.status, foreign.body]).toEqual([404, absent.body]);
    expect([unheld, unscoped, wider].map(({ status, body }) => [status, body.error])).toEqual(
      Array.from({ length: 3 }, () => [403, 'insufficient_scope']),
    );
    expect(await isActive(grace, theirs.token.id)).toBe(true);
  });

  it('changes nothing in a session from another site', async () => {
    const answer = await fetch(`${test.url}/api/tokens/${theirs.token.id}`, {
      method: 'PATCH',
      headers: { 'x-session-user': grace.id, 'sec-fetch-site': 'cross-site', 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'x' }),
    });

    expect([answer.status, ((await answer.json()) as AnswerBody).error]).toEqual([403, 'cross_origin']);
  });

  it('narrows its own token, once and for all', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, { name: 'mine', scopes: MANAGER });
    const own = TokenClient.withToken(test, rawToken);

    const narrowed = await own.update(token.id, { scopes: ['api_tokens:write'] });
    const widened = await own.update(token.id, { scopes: MANAGER });

    expect([narrowed.status, widened.status]).toEqual([200, 403]);
  });

  it('cannot choose the owner in the query of a list or a creation', async () => {
    const mine = TokenClient.inSession(test);

    const listed = await mine.list(`?userId=${grace.id}&user_id=${grace.id}&user=${grace.id}`);
    const created = await mine.send('POST', `/api/tokens?userId=${grace.id}`, { name: 'x', scopes: ['read:notes'] });

    expect(listed.body.tokens.map(({ id }) => id)).not.toContain(theirs.token.id);
    expect(created.status).toBe(201);
    expect(await isActive(grace, created.body.token.id)).toBe(false);
    expect(await isActive(test.user, created.body.token.id)).toBe(true);
  });

  it('learns nothing about tokens of others: unknown, foreign and malformed ids get the same answer', async () => {
    const mine = TokenClient.inSession(test);
    const ids = [theirs.token.id, ABSENT, theirs.token.id.toUpperCase(), 'x', '1', '%00', "'%20OR%201=1", 'null'];

    const revocations = await Promise.all(ids.map((id) => mine.revoke(id)));
    const rotations = await Promise.all(ids.map((id) => mine.rotate(id)));

    const notFound = { statusCode: 404, error: 'not_found', message: 'There is no such token.' };
    expect(revocations.map(({ status, body }) => [status, body])).toEqual(ids.map(() => [404, notFound]));
    expect(rotations.map(({ status, body }) => [status, body])).toEqual(ids.map(() => [404, notFound]));
    expect(await isActive(grace, theirs.token.id)).toBe(true);
  });

  it.each(['', '.', '%2e', '?id=', '?'])(
    'does not revoke all tokens when the id of one is missing: DELETE tokens/%s',
    async (id) => {
      const mine = TokenClient.inSession(test);
      const { token } = (await mine.create({ name: 'x', scopes: ['read:notes'] })).body;

      const answer = await mine.revoke(id);

      expect(answer.status).toBe(404);
      expect(await isActive(test.user, token.id)).toBe(true);
    },
  );

  it('learns nothing about revoked tokens of others', async () => {
    await test.tokens.revoke(theirs.token.id);

    const [revocation, rotation] = await Promise.all([
      TokenClient.inSession(test).revoke(theirs.token.id),
      TokenClient.inSession(test).rotate(theirs.token.id),
    ]);

    expect([revocation.status, rotation.status]).toEqual([404, 404]);
  });

  it('can revoke all of their own tokens, and none of another owner', async () => {
    await TokenClient.inSession(test).revokeAll();

    expect(await countOf(test.user)).toBe(0);
    expect(await isActive(grace, theirs.token.id)).toBe(true);
  });

  it('is limited by the scopes of the token that manages tokens', async () => {
    const [reader, writer, outsider] = [
      await holding('api_tokens:read'),
      await holding('api_tokens:write', 'read:notes'),
      await holding('read:notes'),
    ];
    const request = { name: 'x', scopes: ['read:notes'] };

    expect((await reader.list()).status).toBe(200);
    expect((await reader.create(request)).status).toBe(403);
    expect((await reader.revokeAll()).status).toBe(403);
    expect((await reader.revoke(ABSENT)).status).toBe(403);
    expect((await reader.rotate(ABSENT)).status).toBe(403);
    expect((await writer.list()).status).toBe(403);
    expect((await writer.create(request)).status).toBe(201);
    expect((await outsider.list()).body).toMatchObject({ error: 'insufficient_scope', missing: ['api_tokens:read'] });
  });

  it.each([
    [['admin'], ['admin']],
    [['read:notes', 'admin'], ['admin']],
    [['*'], ['*']],
    [['read:*'], ['read:*']],
    [['api_tokens:*'], ['api_tokens:*']],
    [
      ['write:notes', 'profile:write'],
      ['write:notes', 'profile:write'],
    ],
  ])('cannot grant %j without holding it', async (scopes, missing) => {
    const manager = await holding(...MANAGER);
    const before = await countOf(test.user);

    const answer = await manager.create({ name: 'x', scopes });

    expect(answer.status).toBe(403);
    expect(answer.body).toEqual({
      statusCode: 403,
      error: 'insufficient_scope',
      message: 'A principal can only grant scopes that it holds.',
      required: scopes,
      missing,
    });
    expect(answer.headers.get('www-authenticate')).toBe(
      'Bearer realm="api", error="insufficient_scope", ' +
        `error_description="A principal can only grant scopes that it holds.", scope="${scopes.join(' ')}"`,
    );
    expect(await countOf(test.user)).toBe(before);
  });

  it('can grant scopes that a wildcard of theirs covers', async () => {
    const manager = await holding('api_tokens:*', 'read:*');

    const granted = await manager.create({ name: 'x', scopes: ['read:notes', 'api_tokens:read', 'read:*'] });
    const beyond = await manager.create({ name: 'x', scopes: ['read:notes', 'write:notes'] });

    expect(granted.status).toBe(201);
    expect(beyond.body.missing).toEqual(['write:notes']);
  });

  it('cannot gain the scopes of a stronger token by rotating it', async () => {
    const manager = await holding(...MANAGER);
    const stronger = await test.tokens.create(test.user, { name: 'stronger', scopes: ['read:notes', 'admin'] });

    const answer = await manager.rotate(stronger.token.id);

    expect([answer.status, answer.body.missing]).toEqual([403, ['admin']]);
    expect(answer.body).not.toHaveProperty('rawToken');
    expect((await test.tokens.verify(stronger.rawToken)).id).toBe(stronger.token.id);
  });

  it('can rotate the token that they present', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, { name: 'self', scopes: MANAGER });

    const rotated = await TokenClient.withToken(test, rawToken).rotate(token.id);
    const withOld = await TokenClient.withToken(test, rawToken).list();
    const withNew = await TokenClient.withToken(test, rotated.body.rawToken).list();

    expect([rotated.status, withOld.status, withNew.status]).toEqual([201, 401, 200]);
  });

  it('is recorded with the user, the token and the address', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, { name: 'manager', scopes: MANAGER });
    const { body } = await TokenClient.withToken(test, rawToken).create({ name: 'x', scopes: ['read:notes'] });

    const rows: unknown = await test.dataSource.query(
      'SELECT action, actor_id, actor_type, target_type, metadata, ip_address, outcome FROM sigra_audit_events WHERE target_id = $1',
      [body.token.id],
    );

    expect(rows).toEqual([
      {
        action: 'api.token_create',
        actor_id: test.user.id,
        actor_type: 'user',
        target_type: 'api_token',
        outcome: 'success',
        ip_address: expect.stringMatching(/^(::ffff:)?127\.0\.0\.1$/),
        metadata: {
          method: 'api_token',
          viaTokenId: token.id,
          userId: test.user.id,
          name: 'x',
          scopes: ['read:notes'],
          allowedIps: null,
          resources: null,
          expiresAt: null,
        },
      },
    ]);
  });
});
