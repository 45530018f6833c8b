import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { ADAPTERS } from '../support/test-app.js';
import { type FaultyApp, startFaultyApp } from '../support/faulty-app.js';

describe.each(ADAPTERS)('When the database stops answering after the credential was read, on %s', (adapter) => {
  let test: FaultyApp;
  let session: Record<string, string>;

  beforeAll(async () => {
    test = await startFaultyApp(adapter);
    session = { 'x-session-user': test.sound.user.id, 'content-type': 'application/json' };
  });
  afterEach(() => test.proxy.speak());
  afterAll(() => test.close());

  const issue = () => test.sound.tokens.create(test.sound.user, { name: 'CI', scopes: ['read:notes'] });
  const activeNames = async () =>
    (await test.sound.tokens.listActive(test.sound.user, { limit: 200 })).tokens.map(({ name }) => name);
  const send = async (method: string, path: string, body?: object) => {
    const response = await fetch(test.host.url + path, {
      method,
      headers: session,
      ...(method !== 'GET' && { body: JSON.stringify(body ?? {}) }),
    });
    return { status: response.status, retryAfter: response.headers.get('retry-after') };
  };
  const UNAVAILABLE = { status: 503, retryAfter: '1' };

  it.each(['START TRANSACTION', 'INSERT INTO "public"."sigra_api_tokens"', 'INSERT INTO "sigra_audit_events"'])(
    'a creation is answered with 503 at %s, and leaves no token behind',
    async (text) => {
      const name = `silent at ${text}`;
      const reached = test.proxy.silenceAt(text);

      const answer = await send('POST', '/api/tokens', { name, scopes: ['read:notes'] });
      await reached;
      test.proxy.speak();
      const retried = await send('POST', '/api/tokens', { name: 'retried', scopes: ['read:notes'] });

      expect(answer).toEqual(UNAVAILABLE);
      expect(retried.status).toBe(201);
      expect(await activeNames()).not.toContain(name);
    },
  );

  it('a list is answered with 503', async () => {
    const reached = test.proxy.silenceAt('ORDER BY t.created_at');

    const answer = await send('GET', '/api/tokens');
    await reached;
    test.proxy.speak();
    const retried = await send('GET', '/api/tokens');

    expect(answer).toEqual(UNAVAILABLE);
    expect(retried.status).toBe(200);
  });

  it('a revocation is answered with 503 before it takes effect, and succeeds on retry', async () => {
    const { rawToken, token } = await issue();
    const reached = test.proxy.silenceAt('SET revoked_at');

    const answer = await send('DELETE', `/api/tokens/${token.id}`);
    await reached;
    const meanwhile = await test.sound.tokens.verify(rawToken);
    test.proxy.speak();
    const retried = await send('DELETE', `/api/tokens/${token.id}`);

    expect(answer).toEqual(UNAVAILABLE);
    expect(meanwhile.id).toBe(token.id);
    expect(retried.status).toBe(204);
    await expect(test.sound.tokens.verify(rawToken)).rejects.toMatchObject({ code: 'token_revoked' });
  });

  it('an unconfirmed commit is answered with 503, and no time to retry', async () => {
    const { token } = await issue();
    const reached = test.proxy.silenceAt('COMMIT\0');

    const answer = await send('POST', `/api/tokens/${token.id}/rotate`);
    await reached;

    expect(answer).toEqual({ status: 503, retryAfter: null });
  });

  it('many concurrent writes are all answered, and hold no connection afterwards', async () => {
    const reached = test.proxy.silenceAt('INSERT INTO "public"."sigra_api_tokens"');

    const answers = await Promise.all(
      Array.from({ length: 30 }, () => send('POST', '/api/tokens', { name: 'many', scopes: ['read:notes'] })),
    );
    await reached;
    test.proxy.speak();

    for (const answer of answers.filter(({ status }) => status !== 201)) expect(answer).toEqual(UNAVAILABLE);
    expect(answers.some(({ status }) => status === 503)).toBe(true);
    // A connection that was held would not come back.
    await eventually(async () => {
      const after = await Promise.all(Array.from({ length: 30 }, () => send('GET', '/api/tokens')));
      return after.every(({ status }) => status === 200);
    });
  });
});
