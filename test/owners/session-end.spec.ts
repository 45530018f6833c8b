import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CredentialService } from 'nestjs-sigra';
import { SIGRA_OPTIONS, startTestApp, type TestApp, withoutGlobalGuard } from '../support/test-app.js';
import { TokenClient } from '../support/token-client.js';

const REQUEST = { name: 'CI', scopes: ['*'] };

describe('A session that ends, with a lock-out, after the application has read it and before Sigra reads the owner', () => {
  let test: TestApp;
  let ended: Set<string>;
  let meanwhile: (() => Promise<unknown>) | undefined;

  beforeAll(async () => {
    ended = new Set();
    const userId = async (request: { headers: Record<string, unknown> }) => {
      const id = request.headers['x-session-user'] as string | undefined;
      const found = id !== undefined && !ended.has(id) ? id : undefined;
      const act = meanwhile;
      meanwhile = undefined;
      await act?.();
      return found;
    };
    test = await startTestApp({
      sigra: { session: { ...SIGRA_OPTIONS.session, userId } },
      configure: withoutGlobalGuard,
    });
  });
  afterAll(() => test.close());

  const endAndLockOut = (id: string) => async () => {
    ended.add(id);
    await test.get(CredentialService).lockOut(id);
  };

  it('creates no token', async () => {
    const { id } = await test.addUser('grace@example.com');
    meanwhile = endAndLockOut(id);

    const answer = await TokenClient.inSession(test, id).create(REQUEST);

    expect(answer.status).toBe(401);
    expect((await test.tokens.listActive(id)).tokens).toEqual([]);
  });

  it('rotates no token', async () => {
    const { id } = await test.addUser('linus@example.com');
    const { rawToken, token } = await test.tokens.create(id, REQUEST);
    meanwhile = async () => ended.add(id);

    const answer = await TokenClient.inSession(test, id).rotate(token.id);

    expect([answer.status, answer.body.error]).toEqual([409, 'token_revoked']);
    expect((await test.tokens.verify(rawToken)).replacedBy).toBeNull();
  });
});
