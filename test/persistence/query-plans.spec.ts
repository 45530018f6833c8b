import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ApiTokenAdminService, AuditService, CredentialService, TokenCleanupService } from 'nestjs-sigra';
import { VerifyFailureRecorder } from '../../libs/sigra/src/tokens/verify-failure.recorder.js';
import { LastUsedRecorder } from '../../libs/sigra/src/tokens/last-used.recorder.js';
import { eventually } from '../support/eventually.js';
import { type LoggedQuery, QueryLog } from '../support/query-log.js';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp, type User } from '../support/test-app.js';
import { unknownToken } from '../support/unknown-token.js';

const ROWS = 100_000;
const REQUEST = { name: 'CI', scopes: ['read:notes'] };

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Actual Rows'?: number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

describe('the plan of every query, over large tables', () => {
  let test: TestApp;
  let log: QueryLog;
  /** A user with thousands of tokens. */
  let heavy: User;

  /** How the statements of the test read their tables, each as `relation: node` or `relation: index`. */
  const scans = async (): Promise<string[]> => {
    const statements = log.queries.filter(({ sql }) => /^\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH)/.test(sql));
    const plans = await Promise.all(
      statements.flatMap(({ sql, parameters }) => [
        explain(`EXPLAIN (FORMAT JSON) ${sql}`, parameters),
        // Prepared statements use a generic plan after some executions.
        ...(sql.includes('sigra_key') ? [explain(`EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${sql}`)] : []),
      ]),
    );
    return [...new Set(plans.flatMap(([plan]) => nodesOf(plan!['QUERY PLAN'][0]!.Plan)).flatMap(describeScan))].sort();
  };

  const explain = (sql: string, parameters?: readonly unknown[]) =>
    test.dataSource.query<{ 'QUERY PLAN': { Plan: PlanNode }[] }[]>(sql, parameters && [...parameters]);

  /** The number of rows that a query fetches from its tables, including those that it filters out. */
  const rowsRead = async ({ sql, parameters }: LoggedQuery): Promise<number> => {
    const [plan] = await test.dataSource.query<{ 'QUERY PLAN': { Plan: PlanNode }[] }[]>(
      `EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`,
      [...parameters],
    );
    const tables = nodesOf(plan!['QUERY PLAN'][0]!.Plan).filter((node) => node['Relation Name'] !== undefined);
    return tables.reduce((sum, node) => sum + (node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0), 0);
  };

  /** Inserts tokens of `count` users, one each, and returns the raw tokens. */
  const putTokens = async (count: number): Promise<string[]> => {
    const rawTokens = Array.from({ length: count }, () => unknownToken());
    await test.dataSource.query(
      `INSERT INTO sigra_api_tokens (id, owner_type, owner_id, token_epoch, name, prefix, hint, token_hash, scopes, created_at)
       SELECT gen_random_uuid(), 'user', md5('user ' || n)::uuid::text, 0, 'CI', 'sigra_sk_', 'abcd', sha256(raw::bytea), '{admin}', now()
       FROM unnest($1::text[]) WITH ORDINALITY AS given(raw, n)`,
      [rawTokens],
    );
    return rawTokens;
  };

  beforeAll(async () => {
    test = await startTestApp({ sigra: { audit: { retention: 86_400 * 300, failureRetention: 86_400 * 100 } } });
    await test.dataSource.query(
      `INSERT INTO users (id, email) SELECT md5('user ' || n)::uuid, n || '@example.com'
       FROM generate_series(1, $1::int) n`,
      [ROWS],
    );
    await test.dataSource.query(
      `INSERT INTO sigra_owners
       SELECT 'user', id::text, 0, CASE WHEN md5(email) < '1' THEN 1 ELSE 0 END FROM users WHERE md5(email) < '8'`,
    );
    heavy = await test.addUser('heavy@example.com');
    // One in twenty-one tokens is the heavy user's; one in ten is revoked, and one in ten has expired.
    await test.dataSource.query(
      `INSERT INTO sigra_api_tokens
         (id, owner_type, owner_id, token_epoch, name, prefix, hint, token_hash, scopes, expires_at, revoked_at, last_used_at,
          created_at)
       SELECT md5('token ' || n)::uuid, 'user', CASE n % 21 WHEN 0 THEN $2::text ELSE md5('user ' || n)::uuid::text END, 0, 'CI',
         'sigra_sk_', 'abcd', sha256(n::text::bytea), '{read:notes}',
         CASE n % 10 WHEN 1 THEN now() - n * interval '1 minute' WHEN 2 THEN now() + n * interval '1 minute' END,
         CASE n % 10 WHEN 3 THEN now() - n * interval '1 minute' END, now() - interval '1 hour',
         now() - n * interval '1 second'
       FROM generate_series(1, $1::int) n`,
      [ROWS, heavy.id],
    );
    await test.dataSource.query(
      `INSERT INTO sigra_audit_events
         (id, action, outcome, actor_id, actor_type, target_id, target_type, metadata, occurred_at)
       SELECT gen_random_uuid(),
         CASE n % 150 WHEN 0 THEN 'api.token_verify.failure'
           ELSE (ARRAY['api.token_create', 'api.token_revoke', 'note.add'])[n % 3 + 1] END,
         CASE n % 50 WHEN 0 THEN 'failure' ELSE 'success' END, md5('user ' || n % 5000)::uuid::text, 'user',
         md5('token ' || n)::uuid::text, CASE n % 100 WHEN 0 THEN 'user' ELSE 'api_token' END, '{}',
         now() - n * interval '5 minutes'
       FROM generate_series(1, $1::int) n`,
      [ROWS],
    );
    await test.dataSource.query('VACUUM (ANALYZE) users, sigra_owners, sigra_api_tokens, sigra_audit_events');
    log = QueryLog.of(test.dataSource);
  }, 120_000);
  beforeEach(async () => {
    await test.get(LastUsedRecorder).flush();
    await test.get(VerifyFailureRecorder).flush();
    log.clear();
  });
  afterAll(() => test.close());

  it('verify: one token', async () => {
    const { rawToken } = await test.tokens.create(test.user, REQUEST);
    log.clear();

    await test.tokens.verify(rawToken);

    expect(await scans()).toEqual([
      'sigra_api_tokens: sigra_api_tokens_hash',
      'sigra_owners: sigra_owners_epochs',
      'users: users_pkey',
    ]);
  });

  it('verify: two full batches', async () => {
    const rawTokens = await putTokens(2 * 512);
    log.clear();

    await Promise.all(rawTokens.map((rawToken) => test.tokens.verify(rawToken)));

    expect(await scans()).toEqual([
      'sigra_api_tokens: sigra_api_tokens_hash',
      'sigra_owners: sigra_owners_epochs',
      'users: users_pkey',
    ]);
  });

  it('users by id, for sessions', async () => {
    const ids = await test.dataSource.query<User[]>('SELECT id FROM users LIMIT 64');
    log.clear();

    await Promise.all(ids.map(({ id }) => fetch(`${test.url}/notes/me`, { headers: { 'x-session-user': id } })));

    expect(await scans()).toEqual(['sigra_owners: sigra_owners_epochs', 'users: users_pkey']);
  });

  it.each(['oldest', 'newest'] as const)(
    'listActive: the first page from the %s, and a deep one, which reads as few rows',
    async (order) => {
      let { nextCursor } = await test.tokens.listActive(heavy, { limit: 200, order });
      for (let page = 0; page < 10; page++) {
        ({ nextCursor } = await test.tokens.listActive(heavy, { limit: 200, cursor: nextCursor!, order }));
      }

      const [first, deep] = [log.queries.at(0)!, log.queries.at(-1)!];

      expect(await scans()).toEqual(['sigra_api_tokens: sigra_api_tokens_owner', 'sigra_owners: sigra_owners_pkey']);
      // Besides live tokens, only the dead ones between them are read.
      expect(Math.max(await rowsRead(first), await rowsRead(deep))).toBeLessThan(2 * 200);
    },
  );

  it('create, rotate and revoke', async () => {
    const { token } = await test.tokens.create(test.user, REQUEST);
    const rotated = await test.tokens.rotate(token.id);
    await test.tokens.revokeForUser(test.user, rotated.token.id);

    expect(await scans()).toEqual([
      'sigra_api_tokens: sigra_api_tokens_lineage',
      'sigra_api_tokens: sigra_api_tokens_owner',
      'sigra_api_tokens: sigra_api_tokens_pkey',
      'sigra_owners: sigra_owners_epochs',
      'sigra_owners: sigra_owners_pkey',
      // The table is empty here.
      'sigra_refresh_families: sigra_refresh_families_owner',
    ]);
  });

  it('revokeAll: a user with few tokens', async () => {
    await test.tokens.create(test.user, REQUEST);
    log.clear();

    await test.tokens.revokeAll(test.user);

    expect(await scans()).toEqual([
      'sigra_api_tokens: sigra_api_tokens_creator',
      'sigra_api_tokens: sigra_api_tokens_lineage',
      'sigra_api_tokens: sigra_api_tokens_owner',
      'sigra_api_tokens: sigra_api_tokens_pkey',
      'sigra_refresh_families: sigra_refresh_families_creator',
      'sigra_refresh_families: sigra_refresh_families_owner',
      // It has a row for each sweep that is not complete, which are few.
      'sigra_sweeps: Seq Scan',
      'sigra_sweeps: sigra_sweeps_pkey',
    ]);
  });

  it('last use: one token, and many', async () => {
    const rawTokens = await putTokens(500);
    await test.tokens.verify(rawTokens[0]!);
    log.clear();

    await test.get(LastUsedRecorder).flush();
    const one = await scans();
    await Promise.all(rawTokens.map((rawToken) => test.tokens.verify(rawToken)));
    log.clear();
    await test.get(LastUsedRecorder).flush();

    expect(one).toEqual(['sigra_api_tokens: sigra_api_tokens_pkey']);
    expect(await scans()).toEqual(['sigra_api_tokens: sigra_api_tokens_pkey']);
  });

  it('refusals: written without a read', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);
    await test.tokens.revoke(token.id);
    await refusalOf(test.tokens.verify(rawToken));
    log.clear();

    await test.get(VerifyFailureRecorder).flush();

    expect(log.queries).toHaveLength(1);
    expect(await scans()).toEqual([]);
  });

  const filters = {
    nothing: {},
    'a frequent action': { action: 'note.add' },
    'an action that never occurred': { action: 'note.archive' },
    'an actor': { actorId: '11111111-1111-1111-1111-111111111111' },
    'a target': { targetId: '11111111-1111-1111-1111-111111111111' },
    'a frequent outcome': { outcome: 'success' },
    'a rare outcome': { outcome: 'failure' },
    'a frequent type of target': { targetType: 'api_token' },
    'a rare type of target': { targetType: 'user' },
    'a type of target that never occurred': { targetType: 'folder' },
    'a time': { from: new Date(Date.now() - 3_600_000), to: new Date() },
    'an action and an actor': { action: 'note.add', actorId: '11111111-1111-1111-1111-111111111111' },
    'a rare outcome of an action': { action: 'note.add', outcome: 'failure' },
  } as const;

  it.each(Object.entries(filters))('audit: by %s', async (_name, filter) => {
    const audit = test.get(AuditService);
    const { nextCursor } = await audit.query(filter);
    if (nextCursor) await audit.query({ ...filter, limit: 1000, cursor: nextCursor });
    await audit.stream(filter).next();

    const read = await scans();

    expect(read.length).toBeGreaterThan(0);
    expect(read.filter((scan) => !/^sigra_audit_events: sigra_audit_events_\w+$/.test(scan))).toEqual([]);
  });

  it('admin: a search by a filter without an index reads the tokens in their order', async () => {
    const admin = test.get(ApiTokenAdminService);
    const { nextCursor } = await admin.search({ name: 'c', state: 'active' });
    await admin.search({ name: 'c', state: 'active', cursor: nextCursor! });
    await admin.search({ order: 'oldest' });
    const found = await scans();
    log.clear();
    await admin.search({ name: 'none' });
    const [none] = log.queries;

    expect(found).toEqual(['sigra_api_tokens: sigra_api_tokens_created', 'sigra_owners: sigra_owners_pkey']);
    expect(await scans()).toEqual(['sigra_api_tokens: sigra_api_tokens_created', 'sigra_owners: sigra_owners_pkey']);
    expect(await rowsRead(none!)).toBeLessThan(51_000);
  });

  it('admin: by owner, hint and id', async () => {
    const admin = test.get(ApiTokenAdminService);
    const { token } = await test.tokens.create(test.user, REQUEST);
    log.clear();

    await admin.search({ hint: token.hint, state: 'active' });
    await admin.previewMatching({ hint: token.hint });
    const byHint = await scans();
    log.clear();
    await admin.search({ ownerId: test.user.id });
    await admin.find(token.id);
    const narrow = { ownerId: test.user.id, hint: token.hint };
    await admin.revokeMatching(narrow, (await admin.previewMatching(narrow)).digest);
    const byOwner = (await scans()).filter((scan) => scan.startsWith('sigra_api_tokens'));
    log.clear();
    await admin.search({ creatorId: test.user.id });
    await admin.previewMatching({ creatorId: test.user.id });
    const byCreator = (await scans()).filter((scan) => scan.startsWith('sigra_api_tokens'));

    expect(byHint).toEqual(['sigra_api_tokens: sigra_api_tokens_hint', 'sigra_owners: sigra_owners_pkey']);
    expect(byCreator).toEqual([
      'sigra_api_tokens: sigra_api_tokens_creator',
      'sigra_api_tokens: sigra_api_tokens_creator_revoked',
    ]);
    expect(byOwner).not.toContain('sigra_api_tokens: Seq Scan');
    expect(byOwner).not.toContain('sigra_api_tokens: sigra_api_tokens_created');
  });

  it('clean-up: full batches, and a last one with few rows left', async () => {
    await test.get(TokenCleanupService).cleanupExpiredTokens({ batchSize: 1000 });
    await test.dataSource.query('ANALYZE sigra_api_tokens, sigra_audit_events');
    await test.get(TokenCleanupService).cleanupExpiredTokens({ batchSize: 1000 });

    const read = await scans();

    expect(read.filter((scan) => /^sigra_(?:api|audit)/.test(scan))).toEqual([
      'sigra_api_tokens: sigra_api_tokens_expired',
      'sigra_api_tokens: sigra_api_tokens_pkey',
      'sigra_api_tokens: sigra_api_tokens_revoked',
      // Refusals are found by their action: unlike the index of failures, it has no other rows.
      'sigra_audit_events: sigra_audit_events_action',
      'sigra_audit_events: sigra_audit_events_time',
    ]);
  }, 120_000);

  const makeAllByTokens = async () => {
    await test.dataSource.query(
      `UPDATE sigra_api_tokens SET descends_from = ARRAY[CASE WHEN id::text < '8' THEN id ELSE md5('token 1')::uuid END]`,
    );
    await test.dataSource.query('VACUUM (ANALYZE) sigra_api_tokens');
    log.clear();
  };

  it('revoke: among tokens that other tokens made', async () => {
    await makeAllByTokens();
    const { token } = await test.tokens.create(test.user, REQUEST);
    log.clear();

    await test.tokens.revoke(token.id);

    expect(await scans()).toEqual([
      'sigra_api_tokens: sigra_api_tokens_lineage',
      'sigra_api_tokens: sigra_api_tokens_pkey',
      'sigra_owners: sigra_owners_pkey',
      // The table is empty here.
      'sigra_refresh_families: sigra_refresh_families_owner',
    ]);
  });

  it('lock-out and its sweep: among tokens that other tokens made', async () => {
    await makeAllByTokens();

    await test.get(CredentialService).lockOut(heavy);
    await eventually(async () => (await test.dataSource.query<object[]>('SELECT FROM sigra_sweeps')).length === 0);

    expect((await scans()).filter((scan) => scan.startsWith('sigra_api_tokens'))).toEqual([
      'sigra_api_tokens: sigra_api_tokens_creator',
      'sigra_api_tokens: sigra_api_tokens_lineage',
      'sigra_api_tokens: sigra_api_tokens_owner',
      'sigra_api_tokens: sigra_api_tokens_owner_revoked',
      'sigra_api_tokens: sigra_api_tokens_pkey',
    ]);
  });
});

function nodesOf(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}

function describeScan(node: PlanNode): string[] {
  const { 'Node Type': type, 'Relation Name': relation, 'Index Name': index } = node;
  if (type === 'Seq Scan' || index === undefined) {
    return relation !== undefined && type.endsWith('Scan') && type !== 'Bitmap Heap Scan'
      ? [`${relation}: ${type}`]
      : [];
  }
  // A bitmap index scan does not name its table; ours are in the index's name.
  return [`${relation ?? index.replace(/^(sigra_[a-z]+_[a-z]+)_.*/, '$1')}: ${index}`];
}
