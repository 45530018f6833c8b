import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  AuditService,
  sigraEntities,
  sigraMigrations,
  sigraPartitionMigrations,
  TokenCleanupService,
} from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import { diagnose } from '../../libs/sigra/src/maintenance/doctor/diagnose.js';
import { putAuditEvents, putFailures } from '../support/aged-rows.js';
import { type TestDatabase } from '../support/database.js';
import { createMigratedDatabase, USERS } from '../support/migrated-database.js';
import { QueryLog } from '../support/query-log.js';
import { schemaSnapshot } from '../support/schema-snapshot.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const YEAR = 365 * 86_400;
const CODE = 'tables.audit_partitions';

describe('The audit trail with partitions', () => {
  let database: TestDatabase;
  let migrator: DataSource;
  let test: TestApp | undefined;
  /** Roles are of the whole server. */
  let roles: string[];
  const addRole = async () => {
    const role = `role_${randomUUID().replaceAll('-', '')}`;
    await migrator.query(`CREATE ROLE ${role}`);
    roles.push(role);
    return role;
  };

  beforeEach(async () => {
    roles = [];
    database = await createMigratedDatabase(USERS);
    migrator = await new DataSource({
      type: 'postgres',
      url: database.url,
      entities: sigraEntities,
      migrations: [...sigraMigrations, ...sigraPartitionMigrations],
      migrationsTransactionMode: 'each',
    }).initialize();
  });
  afterEach(async () => {
    await test?.close();
    test = undefined;
    for (const role of roles) await migrator.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    await migrator.destroy();
    await database.drop();
  });

  const start = async (audit: object = { retention: YEAR }) => {
    test = await startTestApp({ databaseUrl: database.url, sigra: { audit } });
    return test;
  };
  const run = ({ get }: TestApp) => get<TokenCleanupService>(TokenCleanupService).cleanupExpiredTokens();
  /** The first day of a month after the present one. */
  const month = (later: number) => {
    const now = new Date();
    return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + later));
  };
  const nameOf = (later: number) => `sigra_audit_events_${month(later).toISOString().slice(0, 7).replace('-', '_')}`;
  /** The number of events in each partition. */
  const counts = async () => {
    const rows = await migrator.query<{ name: string; count: string }[]>(
      `SELECT p.relname AS name, (xpath('//c/text()', query_to_xml('SELECT count(*) AS c FROM ' || p.oid::regclass, false, true, '')))[1]::text AS count
       FROM pg_inherits JOIN pg_class p ON p.oid = inhrelid WHERE inhparent = 'sigra_audit_events'::regclass ORDER BY p.relname`,
    );
    return Object.fromEntries(rows.map(({ name, count }) => [name, Number(count)]));
  };
  const actionsOf = async ({ get }: TestApp) => {
    const actions: string[] = [];
    for await (const { action } of get<AuditService>(AuditService).stream({})) actions.push(action);
    return actions;
  };

  it('keeps its events, and gets those of each month in a partition of its own', async () => {
    const before = await start();
    await putAuditEvents(before, 3, month(-20));
    const { rawToken, token } = await before.tokens.create(before.user, { name: 'CI', scopes: ['admin'] });

    await migrator.runMigrations();
    const converted = await counts();
    await run(before);
    await putAuditEvents(before, 2, month(2));
    await putAuditEvents(before, 1, month(30));
    await before.tokens.verify(rawToken);
    await before.tokens.revoke(token.id);

    expect(converted).toEqual({ sigra_audit_events_history: 4, sigra_audit_events_others: 0 });
    expect(await counts()).toEqual({
      [nameOf(2)]: 2,
      [nameOf(3)]: 0,
      sigra_audit_events_history: 2,
      sigra_audit_events_others: 1,
    });
    expect(await actionsOf(before)).toEqual([
      'api.token_create',
      'api.token_revoke',
      'note.add',
      'note.add',
      'note.add',
    ]);
  });

  it('boots, and has the same indexes', async () => {
    await migrator.runMigrations();

    const app = await start();

    await expect(app.tokens.create(app.user, { name: 'CI', scopes: ['admin'] })).resolves.toBeDefined();
  });

  it('makes the partitions of the months to come, with events that came before', async () => {
    await migrator.runMigrations();
    const app = await start();
    await putAuditEvents(app, 2, month(2));
    await putAuditEvents(app, 1, new Date(month(3).getTime() - 1));
    const early = await counts();

    await run(app);
    const made = await counts();
    app.clock.set(month(4));
    await run(app);

    expect(early).toMatchObject({ sigra_audit_events_others: 3 });
    expect(made).toEqual({
      [nameOf(2)]: 3,
      [nameOf(3)]: 0,
      sigra_audit_events_history: 0,
      sigra_audit_events_others: 0,
    });
    expect(Object.keys(await counts())).toEqual(expect.arrayContaining([2, 3, 4, 5, 6, 7].map(nameOf)));
  });

  it('drops a month when the retention of its last event has ended, and deletes earlier events one by one', async () => {
    await migrator.runMigrations();
    const app = await start();
    await run(app);
    await putAuditEvents(app, 1, month(-20));
    await putAuditEvents(app, 1, month(1));
    await putAuditEvents(app, 4, month(2));
    await putAuditEvents(app, 1, month(3));
    app.clock.set(new Date(month(2).getTime() + YEAR * 1000 - 1));
    const log = QueryLog.of(app.dataSource);

    const early = await run(app);
    app.clock.set(new Date(month(3).getTime() + YEAR * 1000));
    const report = await run(app);

    expect(early).toMatchObject({ auditEvents: 2, auditPartitions: 0 });
    expect(report).toMatchObject({ auditEvents: 0, auditPartitions: 2, complete: true });
    expect(log.matching(new RegExp(`DROP TABLE "public"."${nameOf(2)}"`))).toHaveLength(1);
    expect(await counts()).toMatchObject({ [nameOf(3)]: 1, sigra_audit_events_others: 0 });
    expect(await counts()).not.toHaveProperty('sigra_audit_events_history');
    expect(await actionsOf(app)).toEqual(['note.add']);
  });

  it('deletes the events of a month one by one when it cannot drop it', async () => {
    await migrator.runMigrations();
    const app = await start();
    await run(app);
    await putAuditEvents(app, 4, month(2));
    await putAuditEvents(app, 1, month(3));
    app.clock.set(new Date(month(3).getTime() + YEAR * 1000));
    const reader = app.dataSource.createQueryRunner();
    await reader.query('BEGIN');
    // As a backup does.
    await reader.query(`LOCK TABLE ${nameOf(2)} IN ACCESS SHARE MODE`);

    const report = await run(app);
    await reader.query('ROLLBACK');
    await reader.release();
    const later = await run(app);

    expect(report).toMatchObject({ auditEvents: 4, auditPartitions: 1, complete: true });
    expect(await actionsOf(app)).toEqual(['note.add']);
    expect(later).toMatchObject({ auditEvents: 0, auditPartitions: 1 });
  });

  it('lets the owner of the table drop what another role has made', async () => {
    await migrator.runMigrations();
    const role = await addRole();
    await migrator.query(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}; GRANT CREATE ON SCHEMA public TO ${role};
      ALTER TABLE sigra_audit_events OWNER TO ${role}`);

    await run(await start());

    const owners = await migrator.query<{ owner: string }[]>(
      `SELECT pg_get_userbyid(relowner) AS owner FROM pg_class WHERE relname = '${nameOf(3)}'`,
    );
    expect(owners).toEqual([{ owner: role }]);
  });

  it('keeps all events without a retention, except old refusals', async () => {
    await migrator.runMigrations();
    const app = await start({ failureRetention: YEAR });
    await run(app);
    await putAuditEvents(app, 1, month(2));
    await putFailures(app, 2, 'api.token_verify.failure', month(2));
    app.clock.set(month(40));

    const report = await run(app);

    expect(report).toMatchObject({ auditEvents: 2, auditPartitions: 0 });
    expect(await actionsOf(app)).toEqual(['note.add']);
  });

  it('loses no event, and ends its clean-up, when the role does not own the table', async () => {
    await migrator.runMigrations();
    const role = await addRole();
    await migrator.query(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`);
    const extra = { options: `-c role=${role}` };
    test = await startTestApp({
      databaseUrl: database.url,
      sigra: { audit: { retention: YEAR } },
      connection: { extra },
    });
    await putAuditEvents(test, 1, month(2));

    const report = await run(test);

    expect(report).toMatchObject({ auditPartitions: 0, complete: true });
    expect(await counts()).toEqual({ sigra_audit_events_history: 0, sigra_audit_events_others: 1 });
    expect(await actionsOf(test)).toEqual(['note.add']);
  });

  it('is reported when the next month has no partition', async () => {
    await migrator.runMigrations();
    const codes = async () => {
      const { findings } = await diagnose({ dataSource: migrator, options: undefined, adapter: undefined });
      return findings.map(({ code }) => code);
    };
    const ahead = await codes();

    await migrator.query('ALTER TABLE sigra_audit_events DETACH PARTITION sigra_audit_events_history');

    expect(ahead).not.toContain(CODE);
    expect(await codes()).toContain(CODE);
  });

  it('is converted beside the writes of an application, also when a first attempt was killed', async () => {
    const app = await start();
    await migrator.query('CREATE UNIQUE INDEX sigra_audit_events_by_time ON sigra_audit_events (id, occurred_at)');
    await migrator.query(`ALTER TABLE sigra_audit_events ADD CONSTRAINT sigra_audit_events_end CHECK (true) NOT VALID`);
    const state = { isDone: false };
    let written = 0;
    const writing = (async () => {
      while (!state.isDone) {
        await app.tokens.create(app.user, { name: 'CI', scopes: ['admin'] });
        written++;
      }
    })();

    await migrator.runMigrations();
    state.isDone = true;
    await writing;

    expect(written).toBeGreaterThan(0);
    expect(await actionsOf(app)).toHaveLength(written);
  });

  it('leaves the privileges of other roles', async () => {
    const role = await addRole();
    await migrator.query(`GRANT SELECT, INSERT ON sigra_audit_events TO ${role}`);
    await migrator.query('GRANT SELECT ON sigra_audit_events TO PUBLIC');

    await migrator.runMigrations();

    const [row] = await migrator.query<object[]>(
      `SELECT has_table_privilege('${role}', 'sigra_audit_events', 'INSERT') AS insert,
         has_table_privilege('${role}', 'sigra_audit_events', 'DELETE') AS delete,
         has_table_privilege('public', 'sigra_audit_events', 'SELECT') AS public`,
    );
    expect(row).toEqual({ insert: true, delete: false, public: true });
  });

  it('is refused while events are later than the present by months, and changes nothing', async () => {
    const app = await start();
    const before = await schemaSnapshot(database.url);
    await putAuditEvents(app, 1, month(30));

    await expect(migrator.runMigrations()).rejects.toThrow('sigra: the audit trail has events of');

    expect(await schemaSnapshot(database.url)).toEqual(before);
  });

  it('is one table again after the migration is reverted', async () => {
    const app = await start();
    const before = await schemaSnapshot(database.url);
    await migrator.runMigrations();
    await run(app);
    await putAuditEvents(app, 2, month(2));
    await putAuditEvents(app, 1, month(30));

    await migrator.undoLastMigration();

    expect(await schemaSnapshot(database.url)).toEqual(before);
    expect(await actionsOf(app)).toEqual(['note.add', 'note.add', 'note.add']);
    await app.tokens.create(app.user, { name: 'CI', scopes: ['admin'] });
  });
});
