import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type CleanupOptions, type OwnersKept, TokenCleanupService, type UserProvider } from 'nestjs-sigra';
import { eventually } from '../support/eventually.js';
import { closeJwtApps, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { refusalOf } from '../support/refusal.js';
import { SIGRA_OPTIONS, type User } from '../support/test-app.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };
const HOUR = { minutes: 60 };
const FORMER = `SELECT FROM sigra_api_tokens t WHERE NOT EXISTS (SELECT FROM users u WHERE u.id::text = t.owner_id)`;

afterEach(closeJwtApps);

describe('Clean-up', () => {
  const start = (users: object, cleanup: CleanupOptions = {}): Promise<JwtApp> =>
    startJwtApp(
      {},
      {
        sigra: {
          users: { ...SIGRA_OPTIONS.users, ...users },
          cleanup: { schedule: false, ...cleanup },
        },
      },
    );
  const clean = (test: JwtApp) => test.get(TokenCleanupService).cleanupExpiredTokens();
  const issueAll = async (test: JwtApp, user: User) => ({
    rawToken: (await test.tokens.create(user, REQUEST)).rawToken,
    pair: await test.jwt.generateTokens(user, ['read:notes']),
  });
  const remove = (test: JwtApp, user: User) => test.dataSource.query('DELETE FROM users WHERE id = $1', [user.id]);
  const provider = (users: ReadonlyMap<string, User>): UserProvider<User> => ({
    findByIds: async (ids) => ids.flatMap((id) => users.get(id) ?? []),
  });

  it('forgets owners that no longer exist, an hour after their first credential, and keeps the others', async () => {
    const test = await start({});
    const [gone, disabled] = [await test.addUser('gone@example.com'), await test.addUser('disabled@example.com')];
    const old = await issueAll(test, gone);
    await issueAll(test, disabled);
    await test.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [disabled.id]);
    await remove(test, gone);

    const early = await clean(test);
    test.clock.advance(HOUR);
    test.clock.advance({ seconds: 1 });
    const late = await clean(test);
    await test.dataSource.query(`INSERT INTO users (id, email) VALUES ($1, 'recycled@example.com')`, [gone.id]);

    expect([early.forgottenOwners, late.forgottenOwners]).toEqual([0, 1]);
    expect(await refusalOf(test.tokens.verify(old.rawToken))).toBe('invalid_token');
    expect(await refusalOf(test.jwt.refresh(old.pair.refreshToken))).toBe('invalid_token');
    expect(await test.dataSource.query('SELECT DISTINCT owner_id FROM sigra_api_tokens')).toEqual([
      { owner_id: disabled.id },
    ]);
  });

  it('does so for more owners than one batch has', async () => {
    const test = await start({});
    await test.dataSource.query(
      `INSERT INTO sigra_api_tokens (id, owner_type, owner_id, token_epoch, name, prefix, hint, token_hash, scopes, created_at)
       SELECT gen_random_uuid(), 'user', gen_random_uuid(), 0, 'CI', 'sigra_sk_', 'abcd', sha256(n::text::bytea), '{admin}', '2020-01-01'
       FROM generate_series(1, 1100) n`,
    );
    // The others are former owners, in each of three batches.
    await test.dataSource.query(
      `INSERT INTO users (id, email) SELECT owner_id::uuid, owner_id FROM sigra_api_tokens ORDER BY token_hash LIMIT 900`,
    );

    expect((await clean(test)).forgottenOwners).toBe(200);
    expect(await test.dataSource.query('SELECT FROM sigra_api_tokens')).toHaveLength(900);
    expect(await test.dataSource.query(FORMER)).toEqual([]);
  }, 120_000);

  it('asks a UserProvider only with cleanup.forgetOwners, because it could omit users by mistake', async () => {
    const users = new Map<string, User>();
    const options = { entity: undefined, provider: provider(users) };
    const cautious = await start(options);
    users.set(cautious.user.id, cautious.user);
    const { rawToken } = await cautious.tokens.create(cautious.user, REQUEST);
    cautious.clock.advance({ minutes: 61 });
    users.clear();

    const kept = await clean(cautious);
    users.set(cautious.user.id, cautious.user);
    const stillValid = await cautious.tokens.verify(rawToken);
    const eager = await startJwtApp(
      {},
      {
        databaseUrl: cautious.databaseUrl,
        clock: cautious.clock,
        sigra: {
          users: { isActive: () => true, provider: options.provider },
          cleanup: { schedule: false, forgetOwners: true },
        },
      },
    );
    users.delete(cautious.user.id);
    const forgotten = await clean(eager);

    expect([kept.forgottenOwners, forgotten.forgottenOwners]).toEqual([0, 1]);
    expect(stillValid.name).toBe('CI');
  });

  it('with forgetOwners: false leaves former owners to the application', async () => {
    const test = await start({}, { forgetOwners: false });
    await issueAll(test, test.user);
    await remove(test, test.user);
    test.clock.advance({ minutes: 61 });

    expect((await clean(test)).forgottenOwners).toBe(0);
  });

  describe('that does not find the users', () => {
    const kept: OwnersKept[] = [];
    const listen = (message: unknown) => void kept.push(message as OwnersKept);
    beforeEach(() => {
      kept.length = 0;
      subscribe('sigra:cleanup:owners_kept', listen);
    });
    afterEach(() => void unsubscribe('sigra:cleanup:owners_kept', listen));

    /** Inserts credentials of former owners that are old enough. */
    const putFormer = (test: JwtApp, count: number) =>
      test.dataSource.query(
        `INSERT INTO sigra_api_tokens (id, owner_type, owner_id, token_epoch, name, prefix, hint, token_hash, scopes, created_at)
         SELECT gen_random_uuid(), 'user', gen_random_uuid(), 0, 'CI', 'sigra_sk_', 'abcd', sha256(gen_random_uuid()::text::bytea),
           '{admin}', '2020-01-01' FROM generate_series(1, $1::int)`,
        [count],
      );
    const countTokens = async (test: JwtApp) =>
      (await test.dataSource.query<object[]>('SELECT FROM sigra_api_tokens')).length;

    it.each([10, 1100])('keeps the credentials of all %i owners when none of them exists', async (count) => {
      const test = await start({});
      await putFormer(test, count);
      await test.dataSource.query('DELETE FROM users');

      const emptied = await clean(test);
      await test.addUser('without-credentials@example.com');
      const wrongTable = await clean(test);

      expect([emptied, wrongTable].map(({ forgottenOwners }) => forgottenOwners)).toEqual([0, 0]);
      expect(await countTokens(test)).toBe(count);
      expect(kept).toEqual(Array(2).fill({ ownerType: 'user', reason: 'no_owner_exists' }));
    });

    it('forgets them when one other owner exists, also in a later batch', async () => {
      const test = await start({});
      await putFormer(test, 600);
      // The last one in the order of clean-up.
      await test.dataSource.query(
        `INSERT INTO users (id, email) SELECT owner_id::uuid, 'last@example.com' FROM sigra_api_tokens ORDER BY owner_id DESC LIMIT 1`,
      );

      const running = clean(test);
      await eventually(async () => (await countTokens(test)) < 600);
      await test.close();

      expect((await running).forgottenOwners).toBeGreaterThan(0);
      expect(kept).toEqual([]);
    });

    it('forgets the only user of a small installation', async () => {
      const test = await start({});
      await issueAll(test, test.user);
      await test.dataSource.query('DELETE FROM users');
      test.clock.advance({ minutes: 61 });

      expect((await clean(test)).forgottenOwners).toBe(1);
      expect(await countTokens(test)).toBe(0);
    });

    it('keeps all owners under row-level security, unless forgetOwners is set', async () => {
      const first = await start({});
      const { id } = await first.addUser('hidden@example.com');
      await issueAll(first, first.user);
      await first.tokens.create(id, REQUEST);
      const role = `tenant_${id.replaceAll('-', '')}`;
      await first.dataSource.query(`CREATE ROLE ${role}; GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role};
        ALTER TABLE users ENABLE ROW LEVEL SECURITY; CREATE POLICY others ON users USING (id <> '${id}')`);
      const url = new URL(first.databaseUrl);
      url.searchParams.set('options', `-c role=${role}`);
      const join = (cleanup: CleanupOptions) =>
        startJwtApp(
          {},
          { databaseUrl: url.href, clock: first.clock, sigra: { cleanup: { schedule: false, ...cleanup } } },
        );
      first.clock.advance({ minutes: 61 });

      const cautious = await clean(await join({}));
      const bypassing = await clean(first);
      const decided = await clean(await join({ forgetOwners: true }));

      expect([cautious, bypassing, decided].map(({ forgottenOwners }) => forgottenOwners)).toEqual([0, 0, 1]);
      expect(kept).toEqual([{ ownerType: 'user', reason: 'row_security' }]);
    });
  });
});
