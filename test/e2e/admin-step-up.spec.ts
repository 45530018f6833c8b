import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Principal } from 'nestjs-sigra';
import { ADAPTERS, startTestApp, type TestApp, type User } from '../support/test-app.js';
import { TokenClient } from '../support/token-client.js';

describe.each(ADAPTERS)('The step-up of administrators, on %s', (adapter) => {
  let test: TestApp;
  let admin: User;
  /** Whom the application has asked to authenticate again. */
  const asked: string[] = [];

  beforeAll(async () => {
    test = await startTestApp({
      adapter,
      sigra: {
        controllers: { admin: 'api/admin/tokens' },
        admin: {
          canAdminister: ({ user }: Principal<User>) => user.email === 'root@example.com',
          requireStepUp: ({ userId }: Principal<User>) => {
            asked.push(userId);
            return false;
          },
        },
      },
    });
    admin = await test.addUser('root@example.com');
  });
  afterAll(() => test.close());
  beforeEach(() => void asked.splice(0));

  const create = () => test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });

  it.each<[string, (id: string) => readonly [method: string, path: string, body?: object]]>([
    ['revoke a token', (id) => ['DELETE', `/${id}`]],
    ['revoke by a filter', () => ['POST', '/revoke', { filter: { ownerId: test.user.id }, digest: 'x'.repeat(43) }]],
  ])('is for administrators only, who %s', async (_what, requestFor) => {
    const { token, rawToken } = await create();
    const [method, path, body] = requestFor(token.id);
    const errorFor = async (user: User) => {
      const answer = await TokenClient.inSession(test, user.id).send(method, `/api/admin/tokens${path}`, body);
      return [answer.status, answer.body.error];
    };

    const errors = [await errorFor(test.user), await errorFor(admin)];

    expect(errors).toEqual([
      [403, 'not_administrator'],
      [403, 'step_up_required'],
    ]);
    expect(asked).toEqual([admin.id]);
    expect(await test.tokens.lookup(rawToken)).toMatchObject({ state: 'active' });
  });
});
