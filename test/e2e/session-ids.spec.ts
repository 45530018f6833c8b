import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { SessionUserId, SigraModuleOptions } from 'nestjs-sigra';
import { ADAPTERS, startTestApp, type TestApp, type User } from '../support/test-app.js';

describe.each(ADAPTERS)('the id of a session on %s', (adapter) => {
  let test: TestApp;
  let id: SessionUserId;

  beforeAll(async () => {
    const findByIds = (ids: readonly string[]) => Promise.resolve(ids.map((each) => ({ id: each }) as User));
    const users: SigraModuleOptions<User>['users'] = { provider: { findByIds } };
    test = await startTestApp({ adapter, sigra: { users, session: { userId: () => id } } });
  });
  afterAll(() => test.close());

  it.each<[SessionUserId, number]>([
    ['7', 200],
    [7, 200],
    [7n, 200],
    [Number.MAX_SAFE_INTEGER, 200],
    // Rounded, so it could be the id of another user.
    [2 ** 53, 401],
    [7.5, 401],
    [NaN, 401],
    ['', 401],
    [undefined, 401],
    [null, 401],
    [{ toString: () => '7' } as unknown as string, 401],
    ['x'.repeat(513), 401],
  ])('such as %p is answered with %i', async (given, status) => {
    id = given;

    expect((await fetch(`${test.url}/api/scopes`)).status).toBe(status);
  });
});
