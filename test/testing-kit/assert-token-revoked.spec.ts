import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { assertTokenRevoked, createApiToken, expiredApiToken, revokedApiToken } from 'nestjs-sigra/testing';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { failureOf } from '../support/refusal.js';

describe('assertTokenRevoked', () => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test.close());

  it('passes for a revoked token, given raw, stored, or as issued', async () => {
    const issued = await createApiToken(test.app, test.user);
    await test.tokens.revoke(issued.token.id);

    await assertTokenRevoked(test.app, issued.rawToken);
    await assertTokenRevoked(test.app, issued.token);
    await assertTokenRevoked(test.app, issued);
  });

  it('passes for a revoked token that has expired since', async () => {
    const expiresAt = new Date(test.clock.now().getTime() + 1000);
    const issued = await revokedApiToken(test.app, test.user, { expiresAt });
    test.clock.advance({ seconds: 2 });

    await assertTokenRevoked(test.app, issued);
  });

  it('fails for an accepted token, without the raw token in the error', async () => {
    const { rawToken, token } = await createApiToken(test.app, test.user, { name: 'CI' });

    const failures = [
      await failureOf(assertTokenRevoked(test.app, rawToken)),
      await failureOf(assertTokenRevoked(test.app, { rawToken, token })),
      await failureOf(assertTokenRevoked(test.app, token)),
    ];

    for (const failure of failures) {
      expect(failure.message).toContain(`${token.id} ("CI")`);
      expect(failure.expected).toBe('token_revoked');
      expect(failure.stack).not.toContain(rawToken);
    }
    expect(failures.map(({ actual }) => actual)).toEqual(['accepted', 'accepted', 'not_revoked']);
  });

  it('fails for a token that has expired but is not revoked', async () => {
    const { rawToken, token } = await expiredApiToken(test.app, test.user);

    const byRaw = await failureOf(assertTokenRevoked(test.app, rawToken));
    const byToken = await failureOf(assertTokenRevoked(test.app, token));

    expect(byRaw.message).toContain('refused as token_expired');
    expect(byToken.message).toContain(`expires at ${token.expiresAt!.toISOString()}`);
  });

  it('fails for a token that does not exist', async () => {
    const id = randomUUID();

    const byRaw = await failureOf(assertTokenRevoked(test.app, 'sigra_sk_none'));
    const byToken = await failureOf(assertTokenRevoked(test.app, { id }));

    expect(byRaw.message).toContain('refused as invalid_token');
    expect(byToken.message).toContain(`there is no token ${id}`);
  });

  it('fails for a rotated token within its grace period', async () => {
    const { rawToken, token } = await createApiToken(test.app, test.user);
    await test.tokens.rotate(token.id, { graceSeconds: 60 });

    const failure = await failureOf(assertTokenRevoked(test.app, rawToken));

    expect(failure.actual).toBe('accepted');
  });
});
