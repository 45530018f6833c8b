import { afterEach, describe, expect, it } from '@jest/globals';
import {
  ApiTokenAdminService,
  type ApiTokenService,
  type ApiTokenFilter,
  CredentialService,
  type Principal,
} from 'nestjs-sigra';
import { ApiTokenSearchRepository } from '../../libs/sigra/src/persistence/api-token-search.repository.js';
import { SigraDatabase } from '../../libs/sigra/src/persistence/sigra-database.js';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp, type TestAppOptions, type User } from '../support/test-app.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };

/** Revokes what a dry run has found. */
const revokeMatching = async (admin: ApiTokenAdminService, filter: ApiTokenFilter) =>
  admin.revokeMatching(filter, (await admin.previewMatching(filter)).digest);

describe('ApiTokenAdminService', () => {
  const tests: TestApp[] = [];
  const start = async (options?: TestAppOptions) => {
    const test = await startTestApp(options);
    tests.push(test);
    return { ...test, admin: test.get(ApiTokenAdminService) };
  };
  afterEach(async () => {
    for (const test of tests.splice(0)) await test.close();
  });

  it('acts without a limit for the application itself, also without the option', async () => {
    const { admin, tokens, user } = await start();
    const { token } = await tokens.create(user, REQUEST);

    expect((await admin.search()).tokens).toEqual([{ token, state: 'active' }]);
    expect(await revokeMatching(admin, { name: 'ci' })).toMatchObject({ revoked: 1, remaining: 0 });
    expect(await admin.find(token.id)).toMatchObject({ state: 'revoked' });
    expect(tokens.listScopes()).not.toContain('api_tokens:admin');
  });

  it('refuses every principal without the option, and every answer but true with it', async () => {
    const principal = (user: User): Principal => ({ user, userId: user.id, method: 'session', scopes: ['*'] });
    const without = await start();
    expect(await refusalOf(without.admin.search({}, { principal: principal(without.user) }))).toBe('not_administrator');

    for (const answer of [false, undefined, 'true', 1, {}, Promise.resolve(undefined)]) {
      const test = await start({ sigra: { admin: { canAdminister: () => answer as boolean } } });
      expect(await refusalOf(test.admin.search({}, { principal: principal(test.user) }))).toBe('not_administrator');
      await tests.pop()!.close();
    }
  });

  it('does not boot with the controller and without administrators', async () => {
    const controllers = { admin: 'api/admin/tokens' };

    await expect(startTestApp({ sigra: { controllers } })).rejects.toThrow(
      'sigra: controllers.admin needs admin.canAdminister',
    );
    await expect(startTestApp({ sigra: { admin: {} as never } })).rejects.toThrow('sigra: admin.canAdminister');
  });

  it('finds scopes that imply others, wildcards above them, and scopes of earlier times', async () => {
    const scopes = [{ name: 'root', implies: ['notes:read'] }, 'notes:read', 'notes:read:one', 'other'];
    const { admin, tokens, user, dataSource } = await start({ sigra: { apiTokens: { scopes } } });
    for (const scope of ['root', 'notes:read', 'notes:*', 'notes:read:one', 'other', '*']) {
      await tokens.create(user, { name: scope, scopes: [scope] });
    }
    await dataSource.query(`UPDATE sigra_api_tokens SET scopes = '{gone:x}' WHERE name = 'other'`);
    const namesOf = async (...wanted: string[]) =>
      (await admin.search({ scopes: wanted, order: 'oldest' })).tokens.map(({ token }) => token.name).sort();

    expect(await namesOf('notes:read')).toEqual(['*', 'notes:*', 'notes:read', 'root']);
    expect(await namesOf('notes:read:one')).toEqual(['*', 'notes:*', 'notes:read:one']);
    expect(await namesOf('gone:x')).toEqual(['*', 'other']);
    expect(await namesOf('*')).toEqual(['*']);
  });

  it('finds the tokens of a kind, also those with its earlier prefixes', async () => {
    const kinds = { live: { prefix: 'live_', acceptPrefixes: ['sigra_sk_'] }, test: { prefix: 'test_' } };
    const before = await start();
    await before.tokens.create(before.user, { ...REQUEST, name: 'earlier' });
    const { databaseUrl, clock } = before;
    const { admin, tokens } = await start({
      databaseUrl,
      clock,
      sigra: { apiTokens: { scopes: ['read:notes'], kinds } },
    });
    for (const kind of ['live', 'test']) await tokens.create(before.user, { ...REQUEST, name: kind, kind });
    const namesOf = async (kind: string) =>
      (await admin.search({ kind, order: 'oldest' })).tokens.map(({ token }) => [token.name, token.kind]);

    expect(await namesOf('live')).toEqual([
      ['earlier', 'live'],
      ['live', 'live'],
    ]);
    expect(await namesOf('test')).toEqual([['test', 'test']]);
  });

  it.each(['gone', 'sigra_sk_', '', 'toString'])('refuses the kind %j, which is not configured', async (kind) => {
    const kinds = { live: { prefix: 'live_' } };
    const { admin } = await start({ sigra: { apiTokens: { scopes: ['read:notes'], kinds } } });

    expect(await refusalOf(admin.search({ kind }))).toBe('invalid_filter');
    expect(await refusalOf(admin.previewMatching({ kind }))).toBe('invalid_filter');
  });

  it.each([
    [{ maxTtl: 60, enforceOnExisting: true }],
    [{ requireExpiry: true, enforceOnExisting: true }],
    [{ maxTtl: 60 }],
    [{ idleTtl: 110, activityUpdateThreshold: 60 }],
    [
      {
        kinds: { ci: { prefix: 'sigra_sk_', idleTtl: 110 }, other: { prefix: 'other_' } },
        activityUpdateThreshold: 60,
      },
    ],
    [
      {
        kinds: { ci: { prefix: 'sigra_sk_' }, other: { prefix: 'other_', idleTtl: 110 } },
        activityUpdateThreshold: 60,
      },
    ],
    [{ kinds: { ci: { prefix: 'sigra_sk_', maxTtl: 60 } }, enforceOnExisting: true }],
    [{ kinds: { ci: { prefix: 'sigra_sk_', requireExpiry: true } }, enforceOnExisting: true }],
  ])('names the same state as lookup with %j', async (apiTokens) => {
    const before = await start();
    const { rawToken, token } = await before.tokens.create(before.user, REQUEST);
    before.clock.advance({ minutes: 2 });
    const { databaseUrl, clock } = before;

    const after = await start({ databaseUrl, clock, sigra: { apiTokens: { scopes: ['read:notes'], ...apiTokens } } });

    const { state } = (await after.tokens.lookup(rawToken))!;
    expect(await after.admin.find(token.id)).toMatchObject({ state });
    expect((await after.admin.search({ state })).tokens).toHaveLength(1);
  });

  it('skips no token when others are deleted while a page is read', async () => {
    const test = await start();
    const add = (name: string, from: number, to: number) =>
      test.dataSource.query(
        `INSERT INTO sigra_api_tokens (id, owner_type, owner_id, token_epoch, name, prefix, hint, token_hash, scopes, created_at)
         SELECT gen_random_uuid(), 'user', 'other', 0, $1, 'sigra_sk_', '0000', sha256(n::text::bytea), '{admin}',
           now() - n * interval '1 second'
         FROM generate_series($2::int, $3::int) n`,
        [name, from, to],
      );
    await add('other', 1, 50_000);
    await add('wanted', 50_001, 50_001);
    let isDeleted = false;
    const found: string[] = [];
    const deleteSome = () =>
      test.dataSource.query(`DELETE FROM sigra_api_tokens WHERE created_at > now() - interval '9 s'`);
    afterEachStatement(test, async () => {
      if (isDeleted) return;
      isDeleted = true;
      await deleteSome();
    });

    let cursor: string | null | undefined;
    do {
      const page = await test.admin.search({ name: 'wanted', cursor: cursor ?? undefined });
      found.push(...page.tokens.map(({ token }) => token.name));
      cursor = page.nextCursor;
    } while (cursor !== null);

    expect(isDeleted).toBe(true);
    expect(found).toEqual(['wanted']);
  });

  it('neither finds nor revokes tokens of another type of owners', async () => {
    const users = await start();
    const { rawToken, token } = await users.tokens.create(users.user, REQUEST);
    const { databaseUrl } = users;
    const type = 'member';
    const others = await start({
      databaseUrl,
      sigra: { users: { provider: { findByIds: () => Promise.resolve([]) }, type } as never },
    });

    expect((await others.admin.search()).tokens).toEqual([]);
    expect(await refusalOf(others.admin.find(token.id))).toBe('not_found');
    expect(await refusalOf(others.admin.lookup(rawToken))).toBe('not_found');
    expect(await refusalOf(others.admin.revoke(token.id))).toBe('not_found');
    expect(await others.admin.previewMatching({ name: 'CI' })).toMatchObject({ count: 0, sample: [] });
    expect(await revokeMatching(others.admin, { ownerId: users.user.id })).toMatchObject({ revoked: 0, remaining: 0 });
    expect(await users.admin.find(token.id)).toMatchObject({ state: 'active' });
  });

  it('revokes the successor of a token that is rotated in the meantime', async () => {
    const test = await start();
    const { token } = await test.tokens.create(test.user, REQUEST);
    const { digest } = await test.admin.previewMatching({ ownerId: test.user.id });
    let rotated: Awaited<ReturnType<ApiTokenService['rotate']>> | undefined;
    afterTheFirst(test, async () => {
      rotated = await test.tokens.rotate(token.id);
    });

    const answer = await test.admin.revokeMatching({ ownerId: test.user.id }, digest);

    expect(answer).toMatchObject({ revoked: 1, remaining: 0 });
    expect(await refusalOf(test.tokens.verify(rotated!.rawToken))).toBe('token_revoked');
  });

  it('leaves a further token that matches in the meantime', async () => {
    const test = await start();
    const { rawToken } = await test.tokens.create(test.user, REQUEST);
    const { digest } = await test.admin.previewMatching({ ownerId: test.user.id });
    let further: Awaited<ReturnType<ApiTokenService['create']>> | undefined;
    afterTheFirst(test, async () => {
      further = await test.tokens.create(test.user, REQUEST);
    });

    const answer = await test.admin.revokeMatching({ ownerId: test.user.id }, digest);

    expect(answer).toMatchObject({ revoked: 1, remaining: 0 });
    expect(await refusalOf(test.tokens.verify(rawToken))).toBe('token_revoked');
    expect(await test.tokens.verify(further!.rawToken)).toMatchObject(REQUEST);
  });

  it('revokes nothing for an administrator who was locked out in the meantime', async () => {
    let principal: Principal | undefined;
    const test = await start({
      sigra: {
        controllers: { admin: 'api/admin/tokens' },
        admin: {
          canAdminister: (given: Principal) => {
            principal = given;
            return true;
          },
        },
      },
    });
    const owner = await test.addUser('owner@example.com');
    const { rawToken } = await test.tokens.create(owner, REQUEST);
    const own = await test.tokens.create(test.user, { name: 'admin', scopes: ['*'] });
    await fetch(`${test.url}/api/admin/tokens`, { headers: { authorization: `Bearer ${own.rawToken}` } });
    const { digest } = await test.admin.previewMatching({ ownerId: owner.id });
    afterTheFirst(test, () => test.get(CredentialService).lockOut(test.user));

    const revocation = test.admin.revokeMatching({ ownerId: owner.id }, digest, { principal: principal! });

    expect(await refusalOf(revocation)).toBe('token_revoked');
    expect(await test.tokens.verify(rawToken)).toMatchObject(REQUEST);
  });

  it('revokes tokens of a thousand owners at a time, oldest first', async () => {
    const test = await start();
    await test.dataSource.query(
      `INSERT INTO sigra_api_tokens (id, owner_type, owner_id, token_epoch, name, prefix, hint, token_hash, scopes, created_at)
       SELECT gen_random_uuid(), 'user', n::text, 0, 'leak', 'sigra_sk_', 'abcd', sha256(n::text::bytea), '{admin}',
         now() - n * interval '1 minute'
       FROM generate_series(1, 1200) n`,
    );

    const { count, digest, sample } = await test.admin.previewMatching({ name: 'leak' });
    const first = await test.admin.revokeMatching({ name: 'leak' }, digest);
    const second = await test.admin.revokeMatching({ name: 'leak' }, first.digest);

    expect([count, sample.length, sample[0]!.token.ownerId]).toEqual([1200, 10, '1200']);
    expect([first, second]).toMatchObject([
      { revoked: 1000, remaining: 200 },
      { revoked: 200, remaining: 0 },
    ]);
    const [{ rows }] = await test.dataSource.query<[{ rows: number }]>(
      `SELECT count(DISTINCT target_id)::int AS rows FROM sigra_audit_events WHERE action = 'api.token_revoke'`,
    );
    expect(rows).toBe(1200);
  });

  it('continues a search that has looked at enough tokens, also without a match', async () => {
    const test = await start();
    await test.dataSource.query(
      `INSERT INTO sigra_api_tokens (id, owner_type, owner_id, token_epoch, name, prefix, hint, token_hash, scopes, created_at)
       SELECT gen_random_uuid(), 'user', 'x', 0, CASE n WHEN 60000 THEN 'needle' ELSE 'hay' END, 'sigra_sk_', 'abcd',
         sha256(n::text::bytea), '{admin}', now() - n * interval '1 second'
       FROM generate_series(1, 60000) n`,
    );

    const first = await test.admin.search({ name: 'needle' });
    const second = await test.admin.search({ name: 'needle', cursor: first.nextCursor! });

    expect(first.tokens).toEqual([]);
    expect(second).toMatchObject({ tokens: [{ token: { name: 'needle' } }], nextCursor: null });
  });

  it.each<[unknown]>([
    [null],
    [[]],
    [{ name: 7 }],
    [{ names: 'CI' }],
    [{ unusedSince: 'now' }],
    [{ unusedSince: new Date(Number.NaN) }],
    [{ constructor: 1 }],
  ])('rejects the filter %j', async (filter) => {
    const { admin } = await start();

    expect(await refusalOf(admin.previewMatching(filter as ApiTokenFilter))).toBe('invalid_filter');
  });
});

/** Acts between the statements that the module sends outside of transactions. */
function afterEachStatement(test: TestApp, act: () => Promise<unknown>): void {
  const database = test.get(SigraDatabase);
  const query = database.query.bind(database);
  database.query = (async (...given: Parameters<typeof query>) => {
    const rows = await query(...given);
    await act();
    return rows;
  }) as typeof database.query;
}

/** Acts after the tokens were described, and before they are locked. */
function afterTheFirst(test: TestApp, act: () => Promise<unknown>): void {
  const repository = test.get(ApiTokenSearchRepository);
  const read = repository.describeUnrevoked.bind(repository);
  repository.describeUnrevoked = async (...given) => {
    const found = await read(...given);
    await act();
    return found;
  };
}
