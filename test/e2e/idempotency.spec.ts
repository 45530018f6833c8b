import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AuditService, CredentialService, TokenCleanupService } from 'nestjs-sigra';
import { refusalOf } from '../support/refusal.js';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';
import type { AnswerBody } from '../support/token-client.js';

const ALL = ['read:notes', 'api_tokens:read', 'api_tokens:write'];

describe.each(ADAPTERS)('A request with an Idempotency-Key, on %s', (adapter) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp({ adapter });
  });
  afterAll(() => test.close());

  const inSession = (user = test.user) => ({ 'x-session-user': user.id });
  const withToken = (rawToken: string) => ({ authorization: `Bearer ${rawToken}` });
  const post = async (path: string, credential: Record<string, string>, key: string | undefined, body: object) => {
    const response = await fetch(`${test.url}/api/tokens${path}`, {
      method: 'POST',
      headers: {
        ...credential,
        'content-type': 'application/json',
        ...(key !== undefined && { 'idempotency-key': key }),
      },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as AnswerBody };
  };
  const create = (key: string | undefined, body: object = {}, credential: Record<string, string> = inSession()) =>
    post('', credential, key, { name: 'CI', scopes: ALL, ...body });
  const rotate = (id: string, key: string, credential: Record<string, string>, body: object = {}) =>
    post(`/${id}/rotate`, credential, key, body);
  const issue = () => test.tokens.create(test.user, { name: 'CI', scopes: ALL });
  const eventsOf = async (action: string, targetId: string) =>
    (await test.get(AuditService).query({ action, targetId })).events.length;

  it('creates one token, and repeats the answer with its raw token', async () => {
    const key = randomUUID();

    const first = await create(key);
    const second = await create(key);

    expect(first.status).toBe(201);
    expect(second).toEqual(first);
    expect(await test.tokens.verify(second.body.rawToken)).toMatchObject({ id: first.body.token.id });
    expect(await eventsOf('api.token_create', first.body.token.id)).toBe(1);
  });

  it('compares the metadata that was sent, not what the application makes of it', async () => {
    let made = 0;
    const parseMetadata = (metadata: object) => ({ ...metadata, number: ++made });
    const node = await startTestApp({
      databaseUrl: test.databaseUrl,
      sigra: { apiTokens: { scopes: ALL, parseMetadata } },
    });
    const request = { name: 'CI', scopes: ALL, metadata: { a: 1 }, idempotencyKey: randomUUID() };

    const first = await node.tokens.create(test.user, request);
    const second = await node.tokens.create(test.user, request);
    const other = await refusalOf(node.tokens.create(test.user, { ...request, metadata: { a: 2 } }));
    await node.close();

    expect(second).toEqual(first);
    expect(first.token.metadata).toEqual({ a: 1, number: 1 });
    expect(other).toBe('idempotency_key_reused');
  });

  it('creates one token for concurrent requests', async () => {
    const key = randomUUID();
    const user = await test.addUser('concurrent@example.com');

    const answers = await Promise.all(Array.from({ length: 16 }, () => create(key, {}, inSession(user))));

    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map(({ body }) => body.rawToken)).size).toBe(1);
    expect((await test.tokens.listActive(user)).tokens).toHaveLength(1);
  });

  it.each([
    ['another name', { name: 'other' }],
    ['other scopes', { scopes: ['read:notes'] }],
    ['another expiry', { expiresAt: '2999-01-01T00:00:00Z' }],
  ])('refuses the key for %s', async (_what, change) => {
    const key = randomUUID();
    await create(key);

    const reused = await create(key, change);

    expect(reused).toMatchObject({ status: 422, body: { error: 'idempotency_key_reused' } });
  });

  it.each(['short', 'with spaces in the key', 'ümlaut-in-a-long-key'.normalize('NFD'), 'k'.repeat(256), ''])(
    'refuses the key %j',
    async (key) => {
      const refusal = await refusalOf(test.tokens.create(test.user, { name: 'CI', scopes: ALL, idempotencyKey: key }));

      expect(refusal).toBe('invalid_idempotency_key');
    },
  );

  it('answers 400 to an invalid key', async () => {
    expect(await create('short')).toMatchObject({ status: 400, body: { error: 'invalid_idempotency_key' } });
  });

  it('belongs to the credential that sends it', async () => {
    const key = randomUUID();
    const grace = await test.addUser('grace@example.com');
    const other = await issue();
    const first = await create(key);

    const ofOther = await create(key, {}, inSession(grace));
    const withOther = await create(key, {}, withToken(other.rawToken));

    expect([ofOther.status, withOther.status]).toEqual([201, 201]);
    const made = [first, ofOther, withOther].map(({ body }) => body.rawToken);
    expect(new Set(made).size).toBe(3);
  });

  it('is forgotten after ten minutes', async () => {
    const key = randomUUID();
    const first = await create(key);

    test.clock.advance({ seconds: 599 });
    const second = await create(key);
    test.clock.advance({ seconds: 1 });
    const third = await create(key);

    expect(second.body.rawToken).toBe(first.body.rawToken);
    expect(third.status).toBe(201);
    expect(third.body.rawToken).not.toBe(first.body.rawToken);
  });

  it('is repeated to a token that has rotated itself, although it has ended', async () => {
    const key = randomUUID();
    const { rawToken, token } = await issue();

    const first = await rotate(token.id, key, withToken(rawToken));
    const second = await rotate(token.id, key, withToken(rawToken));

    expect(first.status).toBe(201);
    expect(second).toEqual(first);
    expect(await eventsOf('api.token_rotate', token.id)).toBe(1);
    expect(await refusalOf(test.tokens.verify(rawToken))).toBe('token_revoked');
    expect(await test.tokens.verify(second.body.rawToken)).toMatchObject({ id: first.body.token.id });
  });

  it('gives a rotated token nothing else', async () => {
    const key = randomUUID();
    const { rawToken, token } = await issue();
    const another = await issue();
    await rotate(token.id, key, withToken(rawToken));

    const refused = await Promise.all([
      rotate(token.id, randomUUID(), withToken(rawToken)),
      rotate(another.token.id, randomUUID(), withToken(rawToken)),
      create(key, {}, withToken(rawToken)),
    ]);
    const withItsKey = await rotate(another.token.id, key, withToken(rawToken));

    expect(refused.map(({ status }) => status)).toEqual([401, 401, 401]);
    expect(withItsKey.status).toBe(409);
    expect(await test.tokens.verify(another.rawToken)).toMatchObject({ id: another.token.id });
  });

  it.each<[string, (rotated: { id: string; successor: string }) => Promise<unknown>]>([
    ['its owner is locked out', () => test.get(CredentialService).lockOut(test.user)],
    ['all tokens of its owner are revoked', () => test.tokens.revokeAll(test.user)],
    [
      'its owner is inactive',
      () => test.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [test.user.id]),
    ],
  ])('is not repeated to a rotated token when %s', async (_what, end) => {
    const key = randomUUID();
    const { rawToken, token } = await issue();
    const first = await rotate(token.id, key, withToken(rawToken));

    await end({ id: token.id, successor: first.body.token.id });
    const second = await rotate(token.id, key, withToken(rawToken));
    await test.dataSource.query('UPDATE users SET disabled_at = NULL WHERE id = $1', [test.user.id]);

    expect(first.status).toBe(201);
    expect(second).toMatchObject({ status: 401, body: { error: 'invalid_token' } });
  });

  it('is repeated after the grace period', async () => {
    const key = randomUUID();
    const { rawToken, token } = await issue();

    const first = await rotate(token.id, key, withToken(rawToken), { graceSeconds: 5 });
    test.clock.advance({ seconds: 6 });
    const second = await rotate(token.id, key, withToken(rawToken), { graceSeconds: 5 });

    expect(second).toEqual(first);
  });

  it('rotates once for concurrent requests of the token itself', async () => {
    const key = randomUUID();
    const { rawToken, token } = await issue();

    const answers = await Promise.all(Array.from({ length: 8 }, () => rotate(token.id, key, withToken(rawToken))));

    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map(({ body }) => body.rawToken)).size).toBe(1);
  });

  it('leaves nothing in the database that opens the sealed token, and clean-up deletes it', async () => {
    const key = randomUUID();
    const { body } = await create(key);
    const dump = async () =>
      JSON.stringify(
        await test.dataSource.query(
          `SELECT encode(key_hash, 'hex'), request_hash, encode(sealed_token, 'escape') FROM sigra_idempotency_keys`,
        ),
      );

    const kept = await dump();
    test.clock.advance({ hours: 2 });
    await test.get(TokenCleanupService).cleanupExpiredTokens();

    expect(kept).not.toContain(key);
    expect(kept).not.toContain(body.rawToken.slice(-10));
    expect(await dump()).toBe('[]');
  });
});
