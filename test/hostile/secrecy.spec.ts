import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiTokenService, type IssuedApiToken } from 'nestjs-sigra';
import { flushBackgroundWrites } from 'nestjs-sigra/testing';
import { type FaultyApp, startFaultyApp } from '../support/faulty-app.js';
import { ADAPTERS } from '../support/test-app.js';
import { everythingIn, everythingStored, leaksOf } from '../support/leaks.js';
import { Recorder } from '../support/recorder.js';
import { unknownToken } from '../support/unknown-token.js';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const JSON_TYPE = { 'content-type': 'application/json' };

describe.each(ADAPTERS)('A raw token, after every operation on %s', (adapter) => {
  const recorder = new Recorder();
  /** The texts to search for: live, ended and unknown tokens. */
  const secrets: string[] = [];
  const answers: string[] = [];
  const rejections: unknown[] = [];
  let test: FaultyApp;
  let tokens: ApiTokenService;

  beforeAll(async () => {
    test = await startFaultyApp(adapter, {
      typeOrm: { logging: 'all', logger: recorder.typeOrmLogger },
      logger: recorder.nestLogger,
    });
    tokens = test.host.app.get(ApiTokenService);
    recorder.start();
    try {
      await live();
      await die();
      await goWrong();
      await runWithoutAuditTable();
      await runWithoutDatabase();
      await flushBackgroundWrites(test.host.app);
    } finally {
      recorder.stop();
    }
  });
  afterAll(() => test.close());

  async function issue(): Promise<IssuedApiToken> {
    const issued = await tokens.create(test.sound.user, { name: 'CI', scopes: ['*'] });
    secrets.push(issued.rawToken);
    return issued;
  }

  async function fail(work: Promise<unknown>): Promise<void> {
    rejections.push(
      await work.then(
        () => new Error('it did not fail'),
        (error: unknown) => error,
      ),
    );
  }

  /** Sends a request and records the whole answer. */
  async function send(path: string, init: RequestInit): Promise<Response> {
    const response = await fetch(test.host.url + path, init);
    answers.push(String(response.status), JSON.stringify([...response.headers]), await response.clone().text());
    return response;
  }
  /** The same for the two answers that contain a new raw token: it becomes a secret, and that answer is not a leak. */
  async function receive(path: string, init: RequestInit): Promise<string> {
    const response = await fetch(test.host.url + path, { method: 'POST', ...init });
    const { rawToken, token } = (await response.json()) as IssuedApiToken;
    secrets.push(rawToken);
    answers.push(JSON.stringify([...response.headers]), JSON.stringify(token));
    return rawToken;
  }
  const bearer = (rawToken: string) => ({ authorization: `Bearer ${rawToken}` });

  async function live(): Promise<void> {
    const session = { 'x-session-user': test.sound.user.id, ...JSON_TYPE };
    const body = JSON.stringify({ name: 'page', scopes: ['read:notes'] });
    const fromPage = await receive('/api/tokens', { headers: session, body });
    const { rawToken, token } = await issue();
    await tokens.verify(rawToken, { ipAddress: '192.0.2.1', userAgent: 'curl' });
    await send('/api/scopes', { headers: bearer(fromPage) });
    await send('/api/tokens', { headers: bearer(rawToken) });
    const rotated = await receive(`/api/tokens/${token.id}/rotate`, {
      headers: { ...bearer(rawToken), ...JSON_TYPE },
      body: JSON.stringify({ graceSeconds: 60 }),
    });
    await send('/api/tokens', { headers: bearer(rotated) });
    await send('/api/tokens', { headers: bearer(rawToken) });
  }

  async function die(): Promise<void> {
    const [revoked, expired, ended] = [await issue(), await issue(), await issue()];
    await tokens.revoke(revoked.token.id);
    await test.sound.dataSource.query(`UPDATE sigra_api_tokens SET expires_at = now() WHERE id = $1`, [
      expired.token.id,
    ]);
    await tokens.revokeAll(test.sound.user);
    for (const { rawToken } of [revoked, expired, ended]) {
      await fail(tokens.verify(rawToken));
      await send('/api/tokens', { headers: bearer(rawToken) });
    }
    await fail(tokens.rotate(revoked.token.id));
  }

  async function goWrong(): Promise<void> {
    const { rawToken } = await issue();
    const unknown = unknownToken();
    secrets.push(unknown);
    const misspelt = [unknown, `${rawToken}x`, rawToken.slice(0, -1), rawToken.toUpperCase(), ` ${rawToken}`];
    for (const bad of misspelt) {
      await fail(tokens.verify(bad));
      await send('/api/tokens', { headers: bearer(bad.trim()) });
    }
    await fail(tokens.verify({ rawToken } as unknown as string));
    await fail(tokens.revoke(rawToken));
    await fail(tokens.rotate(rawToken));
    await fail(tokens.listActive(test.sound.user, { cursor: rawToken }));
    await fail(tokens.create(test.sound.user, { name: 'x', scopes: [rawToken] }));
    await fail(tokens.create(test.sound.user, { name: 'x', scopes: ['*'], expiresAt: rawToken as unknown as Date }));
    const session = { 'x-session-user': test.sound.user.id };
    await send(`/api/tokens?access_token=${rawToken}`, {});
    await send('/api/tokens', { method: 'POST', headers: FORM, body: `access_token=${rawToken}` });
    await send('/api/tokens', { headers: { authorization: `Basic ${rawToken}` } });
    await send('/api/tokens', { headers: { authorization: `Bearer ${rawToken}, Bearer ${rawToken}` } });
    await send(`/api/tokens?cursor=${rawToken}&limit=${rawToken}`, { headers: session });
    await send(`/api/tokens/${rawToken}`, { method: 'DELETE', headers: session });
    await send(`/api/tokens/${rawToken}/rotate`, { method: 'POST', headers: session });
    await send('/api/tokens', {
      method: 'POST',
      headers: { ...session, ...JSON_TYPE },
      body: JSON.stringify({ name: 'x', scopes: [rawToken] }),
    });
  }

  /** Fails a change midway, with a database error that contains the statement and its parameters. */
  async function runWithoutAuditTable(): Promise<void> {
    const { rawToken, token } = await issue();
    await test.sound.dataSource.query('ALTER TABLE sigra_audit_events RENAME TO elsewhere');
    await fail(tokens.create(test.sound.user, { name: 'x', scopes: ['*'] }));
    await fail(tokens.rotate(token.id));
    await fail(tokens.revoke(token.id));
    await send(`/api/tokens/${token.id}/rotate`, { method: 'POST', headers: bearer(rawToken) });
    await fail(tokens.verify(unknownToken()));
    await flushBackgroundWrites(test.host.app);
    await test.sound.dataSource.query('ALTER TABLE elsewhere RENAME TO sigra_audit_events');
  }

  async function runWithoutDatabase(): Promise<void> {
    const { rawToken, token } = await issue();
    await test.proxy.cut();
    await fail(tokens.verify(rawToken));
    await fail(tokens.rotate(token.id));
    await fail(tokens.create(test.sound.user, { name: 'x', scopes: ['*'] }));
    await send('/api/tokens', { headers: bearer(rawToken) });
    await test.proxy.mend();
    await send('/api/tokens', { headers: bearer(rawToken) });
  }

  it('is in no table, in any form', async () => {
    const stored = await everythingStored(test.sound.dataSource);

    expect(stored.filter((value) => value.startsWith('sigra_api_tokens.token_hash: '))).not.toEqual([]);
    expect(stored.filter((value) => value.startsWith('sigra_audit_events.metadata: '))).not.toEqual([]);
    expect(leaksOf(secrets, stored)).toEqual([]);
  });

  it('is in no log of Nest, TypeORM or the process, with all logging on', () => {
    expect(recorder.texts.some((text) => text.includes('INSERT INTO "public"."sigra_api_tokens"'))).toBe(true);
    expect(recorder.texts.some((text) => text.includes('The database did not answer'))).toBe(true);
    expect(leaksOf(secrets, recorder.texts)).toEqual([]);
  });

  it('is in no message on a diagnostics channel', () => {
    expect([...recorder.heard]).toEqual(
      expect.arrayContaining([
        'tracing:sigra:api_token:create:asyncEnd',
        'tracing:sigra:api_token:create:error',
        'tracing:sigra:api_token:verify:asyncEnd',
        'tracing:sigra:api_token:verify:error',
        'tracing:sigra:api_token:rotate:asyncEnd',
        'tracing:sigra:api_token:rotate:error',
        'tracing:sigra:api_token:revoke:asyncEnd',
        'tracing:sigra:api_token:revoke:error',
        'tracing:sigra:api_token:revoke_all:asyncEnd',
        'sigra:audit:log_safe_error',
      ]),
    );
    expect(leaksOf(secrets, recorder.texts)).toEqual([]);
  });

  it('is in no error: message, stack, cause, properties or JSON', () => {
    const texts = rejections.flatMap((error) => [...everythingIn(error), JSON.stringify(error)]);

    expect(rejections.length).toBeGreaterThan(20);
    expect(texts).not.toContain('it did not fail');
    expect(leaksOf(secrets, texts)).toEqual([]);
  });

  it('is in no answer except the one that issues it', () => {
    expect(answers.length).toBeGreaterThan(60);
    expect(leaksOf(secrets, answers)).toEqual([]);
  });

  it('would be found if it leaked', () => {
    const [secret = ''] = secrets;

    expect(leaksOf(secrets, [`x${secret}x`, secret.slice(20, 31), secret.toUpperCase(), 'sigra_sk_'])).toHaveLength(3);
    expect(leaksOf(secrets, everythingIn(new Error('x', { cause: { deep: [{ raw: secret }] } })))).toHaveLength(1);
  });
});
