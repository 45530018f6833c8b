import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SigraJwtService } from 'nestjs-sigra';
import { ADAPTERS } from '../support/test-app.js';
import { eventually } from '../support/eventually.js';
import { type FaultyApp, startFaultyApp } from '../support/faulty-app.js';
import { JWT } from '../support/jwt-app.js';
import { failAudit } from '../support/audit-faults.js';
import { refusalOf } from '../support/refusal.js';

/** With the end of the message: `READ COMMITTED` is another one. */
const COMMIT = 'COMMIT\0';
/** The statement of a refresh, which commits itself. */
const ROTATION = 'FOR NO KEY UPDATE OF f SKIP LOCKED';

describe.each(ADAPTERS)('When the connection ends in the middle of a change, on %s', (adapter) => {
  let test: FaultyApp;
  let headers: Record<string, string>;

  beforeAll(async () => {
    test = await startFaultyApp(adapter, {
      sigra: { jwt: { ...JWT, enabled: true }, controllers: { tokens: 'api/tokens', oauth: 'oauth' } },
    });
    headers = { 'x-session-user': test.sound.user.id, 'content-type': 'application/json' };
  });
  afterAll(() => test.close());

  const create = async (name: string, key?: string) => {
    const response = await fetch(`${test.host.url}/api/tokens`, {
      method: 'POST',
      headers: { ...headers, ...(key !== undefined && { 'idempotency-key': key }) },
      body: JSON.stringify({ name, scopes: ['read:notes'] }),
    });
    const { error, rawToken } = (await response.json()) as { error?: string; rawToken?: string };
    return { status: response.status, error, retryAfter: response.headers.get('retry-after'), rawToken };
  };
  const names = async () =>
    (await test.sound.tokens.listActive(test.sound.user, { limit: 200 })).tokens.map(({ name }) => name);
  const terminate = () =>
    test.sound.dataSource
      .query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND state = 'idle in transaction'`,
      )
      .then(() => undefined);

  it('says that the outcome is unknown when the answer to COMMIT is lost, and the change has been made', async () => {
    test.proxy.loseAnswerTo(COMMIT);

    const answer = await create('committed');

    expect(answer).toEqual({ status: 503, error: 'outcome_unknown', retryAfter: null });
    expect(await names()).toContain('committed');
  });

  it('gives the token to a client that repeats the request with its idempotency key', async () => {
    const key = randomUUID();
    test.proxy.loseAnswerTo(COMMIT);

    const lost = await create('repeated', key);
    const repeated = await create('repeated', key);

    expect(lost).toMatchObject({ status: 503, error: 'outcome_unknown' });
    expect(repeated.status).toBe(201);
    expect(await test.sound.tokens.verify(repeated.rawToken!)).toMatchObject({ name: 'repeated' });
    expect((await names()).filter((name) => name === 'repeated')).toHaveLength(1);
  });

  it.each([
    'FOR NO KEY UPDATE',
    'INSERT INTO "public"."sigra_api_tokens"',
    'INSERT INTO "public"."sigra_audit_events"',
    COMMIT,
  ])('answers 503 when the backend is terminated before %j, and nothing has changed', async (text) => {
    const name = `terminated before ${text.trim()}`.replace('\0', '');
    test.proxy.before(text, terminate);

    const { status } = await create(name);

    expect(status).toBe(503);
    expect(await names()).not.toContain(name);
    // The pool can give the connection out once more before it hears that it is closed.
    await eventually(async () => (await create(`after ${name}`)).status === 201);
  });

  it.each([
    ['the answer to its statement is lost', () => test.proxy.loseAnswerTo(ROTATION)],
    ['the connection falls silent', () => void test.proxy.silenceAt(ROTATION)],
  ])('rejects a refresh with outcome_unknown when %s', async (_what, fail) => {
    const jwt = test.host.app.get(SigraJwtService);
    const { refreshToken } = await jwt.generateTokens(test.sound.user, ['read:notes']);
    fail();

    const refresh = await refusalOf(jwt.refresh(refreshToken));
    test.proxy.speak();

    expect(refresh).toBe('outcome_unknown');
  });

  it('tells OAuth clients by the code of a refresh whether its outcome is unknown or nothing has changed', async () => {
    const jwt = test.host.app.get(SigraJwtService);
    const { refreshToken } = await jwt.generateTokens(test.sound.user, ['read:notes']);
    const refresh = async () => {
      const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken });
      const response = await fetch(`${test.host.url}/oauth/token`, { method: 'POST', body });
      const { error } = (await response.json()) as { error?: string };
      return { status: response.status, error, retryAfter: response.headers.get('retry-after') };
    };

    test.proxy.loseAnswerTo(ROTATION);
    const lost = await refresh();
    const fault = await failAudit(test.sound.dataSource, '40P01', Number.MAX_SAFE_INTEGER);
    const aborted = await refresh();
    await fault.mend();

    expect(aborted).toEqual({ status: 503, error: 'temporarily_unavailable', retryAfter: '1' });
    expect(lost).toEqual({ status: 503, error: 'outcome_unknown', retryAfter: null });
  });
});
