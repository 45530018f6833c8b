import type { DataSource } from 'typeorm';
import type { LoggedQuery } from './query-log.js';

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly Plans?: readonly PlanNode[];
}

/** Inserts `families` refresh families, each with three tokens, one of them live, and twice as many owners. */
export async function fillSignIns(dataSource: DataSource, families: number): Promise<void> {
  await dataSource.transaction(async (manager) => {
    // The rows are consistent, so foreign keys need no check.
    await manager.query('SET LOCAL session_replication_role = replica');
    for (const sql of FILL) await manager.query(sql, [families]);
  });
  await dataSource.query('ANALYZE sigra_owners, sigra_refresh_families, sigra_refresh_tokens');
}

const FILL = [
  `INSERT INTO sigra_owners SELECT 'user', md5('user ' || n)::uuid::text, 0, 0 FROM generate_series(1, 2 * $1::int) n`,
  // Some families are expired, more are revoked, most are live, and each user has two.
  `INSERT INTO sigra_refresh_families (id, owner_type, owner_id, epoch, scopes, absolute_expires_at, revoked_at, created_at)
   SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'user', md5('user ' || n - n % 2)::uuid::text, 0,
     '{read:notes}', now() + make_interval(mins => n - 1061), CASE WHEN n % 4 = 0 THEN now() END,
     now() - make_interval(mins => n)
   FROM generate_series(1, $1::int) n`,
  `INSERT INTO sigra_refresh_tokens
     (id, family_id, parent_id, token_hash, expires_at, consumed_at, sealed_successor, created_at)
   SELECT ('00000000-0000-7000-800' || k || '-' || lpad(to_hex(n), 12, '0'))::uuid,
     ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
     CASE WHEN k > 1 THEN ('00000000-0000-7000-800' || k - 1 || '-' || lpad(to_hex(n), 12, '0'))::uuid END,
     sha256((n || ' ' || k)::bytea), now() + interval '30 days', CASE WHEN k < 3 THEN now() - interval '1 day' END,
     CASE WHEN k = 2 AND n % 100 = 0 THEN '\\x00'::bytea END, now() - interval '2 days'
   FROM generate_series(1, $1::int) n, generate_series(1, 3) k`,
];

/** The tables of the library that PostgreSQL would read with a sequential scan for a statement. */
export async function scannedTables(dataSource: DataSource, query: LoggedQuery): Promise<string[]> {
  const explain = (sql: string, parameters?: unknown[]) =>
    dataSource.query<{ 'QUERY PLAN': readonly { Plan: PlanNode }[] }[]>(sql, parameters);
  const rows = await explain(`EXPLAIN (FORMAT JSON) ${query.sql}`, [...query.parameters]);
  // Prepared statements use a generic plan after some executions.
  if (query.sql.includes('sigra_key'))
    rows.push(...(await explain(`EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${query.sql}`)));
  const scanned: string[] = [];
  const visit = (node: PlanNode): void => {
    const table = node['Relation Name'];
    if (node['Node Type'] === 'Seq Scan' && table?.startsWith('sigra_')) scanned.push(table);
    node.Plans?.forEach(visit);
  };
  for (const row of rows) row['QUERY PLAN'].forEach(({ Plan }) => visit(Plan));
  return scanned;
}
