import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { sigraMigrations } from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import type { DiagnosisReport } from '../../libs/sigra/src/maintenance/doctor/diagnosis.js';
import { CommandLine, type CommandRun } from '../support/command-line.js';
import { document } from '../support/markdown.js';
import { USERS } from '../support/migrated-database.js';
import { PostgresCluster } from '../support/postgres-cluster.js';

const HOST = fileURLToPath(new URL('host/doctor.mjs', import.meta.url));
const PASSWORD = 'password-of-the-role';
const INSERT = `INSERT INTO sigra_api_tokens
  (id, owner_type, owner_id, token_epoch, name, prefix, hint, token_hash, scopes, allowed_ips, expires_at, created_at)
  SELECT gen_random_uuid(), $1, '1', 0, 'CI', 'sigra_sk_', 'abcd', sha256(gen_random_uuid()::text::bytea), '{}'`;

/** Mistakes that exist at the same time, the code of each finding, and a part of its remedy. */
const MISTAKES: readonly (readonly [code: string, remedy: string, mistake?: string])[] = [
  // Those of test/cli/host/doctor.mjs.
  ['options.jwt_secret', 'npx sigra jwt keygen'],
  ['options.stateless_jwts', "jwt.check to 'epoch'"],
  ['options.access_ttl', 'jwt.accessTtl to 900'],
  ['options.reuse_leeway', 'jwt.reuseLeeway to 10'],
  ['options.endless_tokens', 'apiTokens.maxTtl'],
  ['options.session_scopes', 'session.scopes'],
  ['options.write_implies_read', '`implies`'],
  ['options.audit_off', 'audit.enabled to true'],
  ['options.audit_retention', 'audit.retention to 30 days'],
  ['connection.timeout', 'connectTimeoutMS: 2000'],
  ['connection.pool', 'poolSize to 10'],
  ['proxy.trusts_all', 'addresses of your proxies'],
  ['schema.column', 'Undo the change of this column.', 'ALTER TABLE sigra_refresh_families ALTER epoch DROP NOT NULL'],
  [
    'schema.index',
    'Create it: CREATE INDEX "sigra_audit_events_action" ON "sigra_audit_events" (action, occurred_at, id).',
    'DROP INDEX sigra_audit_events_action',
  ],
  [
    'schema.index',
    'Drop it. Create it: CREATE INDEX "sigra_api_tokens_hint" ON "sigra_api_tokens" (hint).',
    `UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'sigra_api_tokens_hint'::regclass`,
  ],
  [
    'schema.index_condition',
    'WHERE origin_id IS NOT NULL AND revoked_at IS NULL.',
    'DROP INDEX sigra_api_tokens_origin; CREATE INDEX sigra_api_tokens_origin ON sigra_api_tokens (origin_id) WHERE revoked_at IS NULL',
  ],
  [
    'schema.foreign_key',
    "Run Sigra's migrations",
    'ALTER TABLE sigra_token_usage DROP CONSTRAINT sigra_token_usage_token',
  ],
  ['connection.client_min_messages', 'to warning', `ALTER ROLE app SET client_min_messages = 'error'`],
  ['connection.statement_timeout', 'longer than lookupTimeout', `ALTER ROLE app SET statement_timeout = '20s'`],
  ['connection.idle_timeout', '60 s', `ALTER ROLE app SET idle_in_transaction_session_timeout = '5s'`],
  ['connection.read_only', 'primary', 'ALTER ROLE app SET default_transaction_read_only = on'],
  ['server.synchronous_commit', 'synchronous_commit to on', 'ALTER ROLE app SET synchronous_commit = off'],
  [
    'connection.clock',
    'NTP',
    `CREATE SCHEMA clock; GRANT USAGE ON SCHEMA clock TO app;
     CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
       'SELECT pg_catalog.clock_timestamp() - interval ''5 minutes''';
     ALTER ROLE app SET search_path = clock, pg_catalog, public`,
  ],
  ['tables.autovacuum', 'RESET (autovacuum_enabled)', 'ALTER TABLE sigra_sweeps SET (autovacuum_enabled = false)'],
  ['tables.row_security', 'DISABLE ROW LEVEL SECURITY', 'ALTER TABLE sigra_owners ENABLE ROW LEVEL SECURITY'],
  ['tables.privileges', 'GRANT SELECT', 'REVOKE DELETE ON sigra_audit_events FROM app'],
  [
    'tables.sequential_scan',
    'enable_indexscan',
    `${INSERT.replace('$1', `'user'`)}, NULL, NULL, now() FROM generate_series(1, 20000); ANALYZE sigra_api_tokens;
     ALTER ROLE app SET enable_indexscan = off; ALTER ROLE app SET enable_indexonlyscan = off;
     ALTER ROLE app SET enable_bitmapscan = off`,
  ],
  [
    'cleanup.overdue',
    'cleanup.schedule',
    `${INSERT.replace('$1', `'user'`)}, NULL, now() - interval '10 days', now() - interval '20 days'`,
  ],
  ['owners.unknown_types', '`owners`', `${INSERT.replace('$1', `'ghost'`)}, NULL, NULL, now()`],
];

// Each command is a process that starts an application.
jest.setTimeout(600_000);

describe('npx sigra doctor', () => {
  let cluster: PostgresCluster;
  let administrator: DataSource;
  let databaseUrl: string;

  beforeAll(async () => {
    cluster = await PostgresCluster.start({ fsync: 'on', autovacuum: 'on' });
    administrator = await new DataSource({
      type: 'postgres',
      url: cluster.url,
      migrations: sigraMigrations,
    }).initialize();
    await administrator.query(USERS);
    await administrator.runMigrations();
    await administrator.query(`CREATE ROLE app LOGIN PASSWORD '${PASSWORD}'`);
    await administrator.query('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app');
    databaseUrl = Object.assign(new URL(cluster.url), { username: 'app', password: PASSWORD }).href;
  });
  afterAll(async () => {
    await administrator.destroy();
    await cluster.dispose();
  });

  const doctor = (scenario: string, url = databaseUrl, args = ['-d', HOST, '--json']) =>
    new CommandLine(url, { TEST_SCENARIO: scenario }).run(['doctor', ...args]);
  const reportOf = ({ stdout, stderr }: CommandRun) => {
    if (stderr !== '') throw new Error(stderr);
    return JSON.parse(stdout) as DiagnosisReport;
  };
  const codesOf = (entries: readonly { readonly code: string }[]) => entries.map(({ code }) => code).sort();

  it('finds nothing in a sound set-up, and makes all checks that docs/cli.md has', async () => {
    const run = await doctor('sound');
    const report = reportOf(run);

    expect({ code: run.code, findings: report.findings, unchecked: report.unchecked }).toEqual({
      code: 0,
      findings: [],
      unchecked: [],
    });
    const documented = document('docs/cli.md').tabled.filter((name) => /^[a-z]+\.[a-z_]+$/.test(name));
    expect([...report.checked].sort()).toEqual([...documented].sort());
  });

  it('says what it could not check, which is not a sound set-up', async () => {
    await administrator.query(`${INSERT}, '{192.0.2.1}', NULL, now()`, ['user']);
    const withoutApplication = await doctor('no application');
    await administrator.query('DELETE FROM sigra_api_tokens');
    const withoutOptions = await doctor('sound', databaseUrl, ['--json']);
    const text = await doctor('sound', databaseUrl, []);

    const report = reportOf(withoutApplication);
    expect({ code: withoutApplication.code, ...report, checked: [] }).toEqual({
      code: 3,
      findings: [],
      checked: [],
      unchecked: [{ code: 'proxy.trusts_all', reason: expect.stringContaining('exports no application') }],
    });
    expect(withoutOptions.code).toBe(3);
    expect(codesOf(reportOf(withoutOptions).unchecked)).toEqual(
      expect.arrayContaining(['options.invalid', 'options.jwt_secret', 'cleanup.overdue', 'owners.unknown_types']),
    );
    expect(text.stdout).toMatch(/^not checked options\.invalid\n {2}The options of SigraModule are not known\.\n/);
  });

  it.each([
    ['short secret', 'options.invalid', /jwt\.secret has 11 bytes/],
    ['same prefix twice', 'options.invalid', /apiTokens\.kinds has "sk_"/],
    ['no entities', 'options.entities', /sigraEntities/],
  ])('finds what keeps the application from booting: %s', async (scenario, code, problem) => {
    const run = await doctor(scenario);

    expect({ code: run.code, findings: reportOf(run).findings }).toEqual({
      code: 1,
      findings: [{ code, severity: 'error', problem: expect.stringMatching(problem), remedy: expect.any(String) }],
    });
  });

  it('finds a database that cannot be reached, with a wrong password too', async () => {
    const wrong = Object.assign(new URL(databaseUrl), { password: 'another-password' }).href;

    const run = await doctor('sound', wrong);

    expect(run.code).toBe(1);
    expect(codesOf(reportOf(run).findings)).toEqual(['connection.unreachable']);
    expect(run.stdout).not.toContain('another-password');
  });

  it('finds each of more than twenty mistakes with its remedy, and nothing else', async () => {
    for (const [, , mistake] of MISTAKES) {
      for (const sql of mistake?.split(/;\s+/) ?? []) await administrator.query(sql);
    }

    const run = await doctor('weak');
    const { findings, unchecked } = reportOf(run);

    expect(run.code).toBe(1);
    expect(codesOf(findings)).toEqual(MISTAKES.map(([code]) => code).sort());
    for (const [code, remedy] of MISTAKES) {
      expect(findings).toContainEqual({
        code,
        severity: expect.stringMatching(/^(?:error|warning)$/),
        problem: expect.any(String),
        remedy: expect.stringContaining(remedy),
      });
    }
    expect(codesOf(unchecked)).toEqual(['connection.prepared_statements']);
    expect(run.stdout).not.toMatch(/password-of-the-role|a very secret text/);
  });

  it('finds a superuser, missing tables, and a server that loses data', async () => {
    // It does not wait for the disk.
    const unsafe = await PostgresCluster.start({ autovacuum: 'off' });
    try {
      const { url } = unsafe;
      const dataSource = await new DataSource({ type: 'postgres', url, migrations: sigraMigrations }).initialize();
      await dataSource.query(USERS);
      await dataSource.runMigrations();
      await dataSource.query('DROP TABLE sigra_refresh_tokens, sigra_refresh_families');
      await dataSource.destroy();

      const run = await doctor('sound', url);

      const { findings, unchecked } = reportOf(run);
      expect(run.code).toBe(1);
      expect(findings).toEqual([
        ...['"public"."sigra_refresh_families"', '"public"."sigra_refresh_tokens"'].map((table) => ({
          code: 'schema.table',
          severity: 'error',
          problem: `The database has no table ${table}.`,
          remedy: expect.stringContaining("Run Sigra's migrations"),
        })),
        expect.objectContaining({ code: 'connection.superuser', severity: 'warning' }),
        expect.objectContaining({
          code: 'server.fsync',
          severity: 'error',
          remedy: expect.stringContaining('fsync = on'),
        }),
        expect.objectContaining({ code: 'server.autovacuum', severity: 'warning' }),
      ]);
      expect(codesOf(unchecked)).toEqual(['owners.unknown_types']);
    } finally {
      await unsafe.dispose();
    }
  });
});
