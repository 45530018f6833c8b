import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CredentialService } from 'nestjs-sigra';
import { flushBackgroundWrites } from 'nestjs-sigra/testing';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { unknownToken } from '../support/unknown-token.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };

describe('ApiTokenService.lookup', () => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test.close());

  const failures = () =>
    test.dataSource.query<unknown[]>(`SELECT FROM sigra_audit_events WHERE action = 'api.token_verify.failure'`);

  it('finds a token, and records neither a use nor a failure', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);

    const found = await test.tokens.lookup(rawToken);
    await flushBackgroundWrites(test.app);

    expect(found).toEqual({ token, state: 'active' });
    expect((await test.tokens.lookup(rawToken))?.token.lastUsedAt).toBeNull();
    await test.tokens.revoke(token.id);
    expect(await test.tokens.lookup(rawToken)).toMatchObject({ state: 'revoked', token: { id: token.id } });
    await flushBackgroundWrites(test.app);
    expect(await failures()).toEqual([]);
  });

  it('names the state of tokens that expired, or that a lock-out has just ended', async () => {
    const expiresAt = new Date(test.clock.now().getTime() + 1000);
    const expiring = await test.tokens.create(test.user, { ...REQUEST, expiresAt });
    test.clock.advance({ seconds: 1 });
    const ended = await test.tokens.create(test.user, REQUEST);
    await test.app.get(CredentialService).lockOut(test.user);

    expect(await test.tokens.lookup(expiring.rawToken)).toMatchObject({ token: { id: expiring.token.id } });
    expect(await test.tokens.lookup(ended.rawToken)).toMatchObject({ state: 'revoked', token: { id: ended.token.id } });
  });

  it.each(['', 'no token', 'sigra_sk_', unknownToken(), 7 as unknown as string])(
    'finds nothing for %p',
    async (text) => {
      expect(await test.tokens.lookup(text)).toBeUndefined();
    },
  );
});
