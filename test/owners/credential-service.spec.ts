import { randomUUID } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { CredentialService, type IssuedApiToken, type SweepProgress, TokenCleanupService } from 'nestjs-sigra';
import { ApiTokenRepository } from '../../libs/sigra/src/persistence/api-token.repository.js';
import { RefreshFamilyRepository } from '../../libs/sigra/src/persistence/refresh-family.repository.js';
import { CredentialSweeper } from '../../libs/sigra/src/owners/credential.sweeper.js';
import { putTokens } from '../support/aged-rows.js';
import { auditRows } from '../support/audit-rows.js';
import { eventually } from '../support/eventually.js';
import { closeJwtApps, familyIdOf, joinJwtApp, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { refusalOf } from '../support/refusal.js';
import type { User } from '../support/test-app.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };

describe('CredentialService', () => {
  let test: JwtApp;
  let other: JwtApp;
  let credentials: CredentialService;
  let user: User;
  let count = 0;

  beforeAll(async () => {
    test = await startJwtApp();
    other = await joinJwtApp(test);
    credentials = test.get(CredentialService);
  });
  afterAll(closeJwtApps);
  beforeEach(async () => {
    user = await test.addUser(`user-${++count}@example.com`);
  });

  const issueAll = async (owner: User) => {
    const { rawToken } = await test.tokens.create(owner, REQUEST);
    return { rawToken, pair: await test.jwt.generateTokens(owner, ['read:notes']) };
  };
  const refusalsOf = async ({ rawToken, pair }: Awaited<ReturnType<typeof issueAll>>) => [
    await refusalOf(other.tokens.verify(rawToken)),
    await refusalOf(other.jwt.verifyAccess(pair.accessToken)),
    await refusalOf(other.jwt.refresh(pair.refreshToken)),
  ];
  const rowsOf = async (owner: User): Promise<number> => {
    const [{ rows }] = await test.dataSource.query<[{ rows: number }]>(
      `SELECT (SELECT count(*) FROM sigra_api_tokens WHERE owner_id = $1)::int
         + (SELECT count(*) FROM sigra_refresh_families f JOIN sigra_refresh_tokens t ON t.family_id = f.id
            WHERE owner_id = $1)::int AS rows`,
      [owner.id],
    );
    return rows;
  };

  describe('lockOut', () => {
    it('ends all credentials of one owner at every node, and no others', async () => {
      const grace = await test.addUser('grace@example.com');
      const [mine, hers] = [await issueAll(user), await issueAll(grace)];

      await credentials.lockOut(user);

      expect(await refusalsOf(mine)).toEqual(['token_revoked', 'epoch_mismatch', 'token_revoked']);
      expect((await other.tokens.verify(hers.rawToken)).ownerId).toBe(grace.id);
      expect((await other.jwt.verifyAccess(hers.pair.accessToken)).sub).toBe(grace.id);
      expect(await test.tokens.listActive(user)).toEqual({ tokens: [], nextCursor: null });
      expect((await test.jwt.listFamilies(user)).families).toEqual([]);
    });

    it('writes one audit row, and marks the rows with the reason', async () => {
      await issueAll(user);

      await credentials.lockOut(user.id, { ipAddress: '192.0.2.1' });

      const tokens: object[] = await test.dataSource.query(
        'SELECT revoke_reason, revoked_at FROM sigra_api_tokens WHERE owner_id = $1',
        [user.id],
      );
      const families: object[] = await test.dataSource.query(
        'SELECT revoke_reason, revoked_at FROM sigra_refresh_families WHERE owner_id = $1',
        [user.id],
      );
      const marked = { revoke_reason: 'locked_out', revoked_at: test.clock.now() };
      expect([tokens, families]).toEqual([[marked], [marked]]);
      expect(await auditRows(test.dataSource, user.id)).toMatchObject([
        { action: 'api.lock_out', target_type: 'user', ip_address: '192.0.2.1', actor_type: 'system' },
      ]);
    });

    it('lets the owner get new credentials afterwards', async () => {
      await credentials.lockOut(user);
      await credentials.lockOut(user);

      const again = await issueAll(user);

      expect((await other.tokens.verify(again.rawToken)).ownerId).toBe(user.id);
      expect(await other.jwt.verifyAccess(again.pair.accessToken)).toMatchObject({ epoch: 2 });
      expect(await other.jwt.refresh(again.pair.refreshToken)).toBeDefined();
    });

    it.each([
      ['an unknown id', () => randomUUID()],
      ['an id without hyphens', () => user.id.replaceAll('-', '')],
      ['an e-mail address', () => user.email],
    ])('rejects %s, and so does signOutEverywhere, because nothing would end', async (_what, id) => {
      await issueAll(user);

      expect(await refusalOf(credentials.lockOut(id()))).toBe('not_found');
      expect(await refusalOf(test.jwt.signOutEverywhere(id()))).toBe('not_found');

      expect(await test.dataSource.query('SELECT FROM sigra_owners WHERE owner_id = $1', [id()])).toEqual([]);
      expect(await auditRows(test.dataSource, id())).toEqual([]);
    });

    it('accepts a user without credentials, and one that was deleted and has some', async () => {
      const deleted = await test.addUser('deleted@example.com');
      const hers = await issueAll(deleted);
      await test.dataSource.query('DELETE FROM users WHERE id = $1', [deleted.id]);

      await expect(credentials.lockOut(user)).resolves.toBeUndefined();
      await expect(credentials.lockOut(deleted.id)).resolves.toBeUndefined();

      await test.dataSource.query(`INSERT INTO users (id, email) VALUES ($1, 'recycled@example.com')`, [deleted.id]);
      expect(await refusalsOf(hers)).toEqual(['token_revoked', 'epoch_mismatch', 'token_revoked']);
    });

    it('also ends what the tokens of the owner made for others', async () => {
      const admin = user;
      const grace = await test.addUser('grace@example.com');
      const { token } = await test.tokens.create(admin, { name: 'root', scopes: ['*'] });
      const principal = {
        user: admin,
        userId: admin.id,
        method: 'api_token',
        scopes: ['*'],
        tokenId: token.id,
      } as const;
      const made = await test.tokens.create(grace, REQUEST, { principal });

      await credentials.lockOut(admin);

      expect(await refusalOf(other.tokens.verify(made.rawToken))).toBe('token_revoked');
    });

    it.each(['is valid', 'was signed out before'])(
      'also ends what a family made for others, if it %s',
      async (state) => {
        const grace = await test.addUser('grace@example.com');
        const pair = await test.jwt.generateTokens(user, ['*']);
        const principal = { user, userId: user.id, method: 'jwt', scopes: ['*'], familyId: familyIdOf(pair) } as const;
        const made = await test.tokens.create(grace, REQUEST, { principal });
        if (state !== 'is valid') await test.jwt.revokeRefresh(pair.refreshToken);
        await test.tokens.verify(made.rawToken);

        await credentials.lockOut(user);

        expect(await refusalOf(other.tokens.verify(made.rawToken))).toBe('token_revoked');
      },
    );
  });

  describe('forget', () => {
    it('deletes all rows of the owner, revoked ones too, so that a recycled id inherits nothing', async () => {
      const old = await issueAll(user);
      const revoked = await test.tokens.create(user, REQUEST);
      await test.tokens.revoke(revoked.token.id);
      await test.dataSource.query('DELETE FROM users WHERE id = $1', [user.id]);

      await credentials.forget(user.id);

      expect(await rowsOf(user)).toBe(0);
      await test.dataSource.query(`INSERT INTO users (id, email) VALUES ($1, 'recycled@example.com')`, [user.id]);
      expect(await refusalsOf(old)).toEqual(['invalid_token', 'epoch_mismatch', 'invalid_token']);
      const fresh = await issueAll(user);
      expect((await other.tokens.verify(fresh.rawToken)).ownerId).toBe(user.id);
      expect((await other.tokens.listActive(user)).tokens).toHaveLength(1);
    });

    it('keeps the audit trail, and makes it anonymous on request', async () => {
      const caller = {
        principal: { user, userId: user.id, method: 'session', scopes: ['*'] } as const,
        ipAddress: '::1',
      };
      const { token } = await test.tokens.create(user, REQUEST, caller);
      await test.tokens.revokeAll(user, caller);

      await credentials.forget(user);
      const kept = await auditRows(test.dataSource, user.id);
      await credentials.forget(user, { anonymizeAudit: true });

      expect(kept.map(({ action }) => action)).toEqual(['api.token_revoke_all', 'api.forget']);
      expect(await auditRows(test.dataSource, user.id)).toEqual([]);
      expect(await auditRows(test.dataSource, token.id)).toMatchObject([
        { action: 'api.token_create', actor_id: null, actor_type: 'anonymous', ip_address: null, user_agent: null },
      ]);
      const [{ left }] = await test.dataSource.query<[{ left: number }]>(
        `SELECT count(*)::int AS left FROM sigra_audit_events e WHERE e::text LIKE '%' || $1 || '%'`,
        [user.id],
      );
      expect(left).toBe(0);
    });
  });
});

describe('A revocation of more rows than a batch has', () => {
  const ROWS = 2500;
  const cleanup = { schedule: false, batchSize: 100 } as const;
  let test: JwtApp;
  let issued: IssuedApiToken;
  const seen: SweepProgress[] = [];
  const listen = (message: unknown) => void seen.push(message as SweepProgress);

  beforeEach(async () => {
    seen.length = 0;
    subscribe('sigra:owner:sweep', listen);
    test = await startJwtApp({}, { sigra: { cleanup } });
    issued = await test.tokens.create(test.user, REQUEST);
    await putTokens(test, ROWS - 1);
  });
  afterEach(async () => {
    unsubscribe('sigra:owner:sweep', listen);
    await closeJwtApps();
  });

  const unmarked = async (): Promise<number> => {
    const [{ rows }] = await test.dataSource.query<[{ rows: number }]>(
      'SELECT count(*)::int AS rows FROM sigra_api_tokens WHERE revoked_at IS NULL',
    );
    return rows;
  };
  const sweeps = () => test.dataSource.query<object[]>('SELECT task FROM sigra_sweeps');

  it('is in force and counted exactly before the rows are marked, and the rest is marked in the background', async () => {
    const count = await test.tokens.revokeAll(test.user);
    const left = await unmarked();
    const listed = await test.tokens.listActive(test.user);

    expect(count).toBe(ROWS);
    expect(await refusalOf(test.tokens.verify(issued.rawToken))).toBe('token_revoked');
    expect(left).toBeGreaterThan(0);
    expect(listed.tokens).toEqual([]);
    await eventually(async () => (await sweeps()).length === 0);
    expect(await unmarked()).toBe(0);
    expect(seen.reduce((sum, { rows }) => sum + rows, 0)).toBe(ROWS);
    expect(seen.at(-1)).toEqual({
      task: 'mark_tokens',
      ownerType: 'user',
      ownerId: test.user.id,
      rows: expect.any(Number),
      complete: true,
    });
  });

  it('counts rows that another node has marked meanwhile', async () => {
    const owner = { type: 'user', id: test.user.id };
    await test.tokens.revoke(issued.token.id);
    const [first] = [
      await test.jwt.generateTokens(test.user, ['*']),
      await test.jwt.generateTokens(test.user, ['*']),
      await test.jwt.generateTokens(test.user, ['*']),
    ];
    await test.jwt.revokeRefresh(first.refreshToken);
    await test.tokens.revokeAll(test.user);
    await test.jwt.signOutEverywhere(test.user);
    await eventually(async () => (await sweeps()).length === 0);

    const ofTokens = await test.get(ApiTokenRepository).countEnded(owner, 0, test.clock.now(), 'revoke_all');
    const ofFamilies = await test
      .get(RefreshFamilyRepository)
      .countEnded(owner, 0, test.clock.now(), 'sign_out_everywhere');

    expect([ofTokens, ofFamilies]).toEqual([ROWS - 1, 2]);
  });

  it('is continued by another node when the first one ends', async () => {
    await test.get(CredentialService).lockOut(test.user);
    await test.get(CredentialSweeper).onApplicationShutdown();
    const left = await unmarked();

    const next = await startJwtApp({}, { sigra: { cleanup }, databaseUrl: test.databaseUrl, clock: test.clock });

    expect(left).toBeGreaterThan(0);
    await eventually(async () => (await sweeps()).length === 0);
    expect(await unmarked()).toBe(0);
    await next.close();
  });

  it('does not wait for another one whose rows are locked, and neither does clean-up', async () => {
    const grace = await test.addUser('grace@example.com');
    const hers = await test.tokens.create(grace, REQUEST);
    await test.dataSource.transaction(async (manager) => {
      await manager.query('SELECT FROM sigra_api_tokens WHERE owner_id = $1 LIMIT 10 FOR UPDATE', [test.user.id]);
      await test.get(CredentialService).lockOut(test.user);
      await test.get(CredentialService).lockOut(grace);

      await test.get(TokenCleanupService).cleanupExpiredTokens();

      await eventually(async () => (await unmarked()) === 10);
      expect(await refusalOf(test.tokens.verify(hers.rawToken))).toBe('token_revoked');
    });

    await eventually(async () => (await sweeps()).length === 0);
    expect(await unmarked()).toBe(0);
  });

  it('waits for no lock, and marks locked rows later', async () => {
    await test.dataSource.transaction(async (manager) => {
      await manager.query('SELECT FROM sigra_api_tokens LIMIT 10 FOR UPDATE');

      expect(await test.tokens.revokeAll(test.user)).toBe(ROWS);
      await eventually(async () => (await unmarked()) === 10);
      expect(await sweeps()).toHaveLength(1);
    });

    await eventually(async () => (await sweeps()).length === 0);
    expect(await unmarked()).toBe(0);
  });
});
