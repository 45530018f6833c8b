import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { JwtCheck, UserProvider } from 'nestjs-sigra';
import { QueryLog } from '../support/query-log.js';
import type { User } from '../support/test-app.js';
import { type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { reasonOf } from '../support/refusal.js';

/** Users outside of the database, found by their id in upper or lower case. */
class Directory implements UserProvider<User> {
  readonly users = new Map<string, User>();
  readonly calls: (readonly string[])[] = [];

  findByIds(ids: readonly string[]): Promise<readonly User[]> {
    this.calls.push(ids);
    return Promise.resolve(ids.map((id) => this.users.get(id.toLowerCase())).filter((user) => user !== undefined));
  }
}

describe.each<JwtCheck>(['epoch', 'family'])('check: %s with users of a provider', (check) => {
  const directory = new Directory();
  let test: JwtApp;
  let queries: QueryLog;

  beforeAll(async () => {
    test = await startJwtApp(
      { check, claims: ({ email }) => ({ email }) },
      { sigra: { users: { provider: directory, isActive: ({ disabledAt }) => disabledAt === null } } },
    );
    queries = QueryLog.of(test.dataSource);
  });
  afterAll(() => test.close());

  const signIn = async (id: string) => {
    directory.users.set(id, { id, email: `${id}@example.com`, disabledAt: null });
    const { accessToken } = await test.jwt.generateTokens(id, ['read:notes']);
    queries.clear();
    directory.calls.length = 0;
    return accessToken;
  };

  it('calls the database once and the provider once for all tokens of a turn', async () => {
    const jwts = [await signIn('ada'), await signIn('grace'), await signIn('edsger')];

    const claims = await Promise.all(jwts.map((jwt) => test.jwt.verifyAccess(jwt)));

    expect(claims.map(({ sub, email }) => [sub, email])).toEqual([
      ['ada', 'ada@example.com'],
      ['grace', 'grace@example.com'],
      ['edsger', 'edsger@example.com'],
    ]);
    expect(queries.queries).toHaveLength(1);
    expect(directory.calls).toEqual([['ada', 'grace', 'edsger']]);
  });

  it('refuses unknown and inactive users of the provider from the next request on', async () => {
    const jwt = await signIn('alan');
    const before = await test.present(jwt);

    directory.users.get('alan')!.disabledAt = new Date();
    const inactive = await test.present(jwt);
    directory.users.delete('alan');
    const gone = await test.present(jwt);

    expect([before.status, inactive.status, gone.status]).toEqual([200, 401, 401]);
  });

  it('refuses tokens of users who signed out everywhere', async () => {
    const jwt = await signIn('barbara');

    await test.jwt.signOutEverywhere('barbara');

    expect(await reasonOf(test.jwt.verifyAccess(jwt))).toMatchObject({ code: 'epoch_mismatch' });
  });

  it('issues no tokens for another spelling of an id, because it is another id', async () => {
    await signIn('donald');

    const refusal = await reasonOf(test.jwt.generateTokens('DONALD', ['read:notes']));

    expect(refusal.code).toBe('not_found');
  });
});
