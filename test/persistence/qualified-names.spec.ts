import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Type } from '@nestjs/common';
import { sigraEntities } from 'nestjs-sigra';
import { Column, DataSource, Entity, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { findQualifiedNames } from '../../libs/sigra/src/persistence/qualified-names.js';
import { type CustomUsersApp, startCustomUsersApp } from '../support/custom-users-app.js';
import { createDatabase, onDatabase, type TestDatabase } from '../support/database.js';
import { onEveryConnection } from '../support/every-connection.js';
import { createMigratedDatabase } from '../support/migrated-database.js';
import { QueryLog } from '../support/query-log.js';
import { refusalOf } from '../support/refusal.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };

@Entity('teams')
class Team {
  @PrimaryColumn('integer')
  id!: number;

  @Column('text')
  name!: string;
}

@Entity('people')
class PlainUser {
  @PrimaryColumn('integer')
  id!: number;

  @Column('text')
  name!: string;
}

@Entity('people')
class TeamUser {
  @PrimaryColumn('integer')
  id!: number;

  @Column('text')
  name!: string;

  @ManyToOne(() => Team, { eager: true })
  team!: Relation<Team>;
}

const tablesOf = (schema: string, person: string, team: string) => `
  CREATE TABLE ${schema}.teams (id integer PRIMARY KEY, name text);
  INSERT INTO ${schema}.teams VALUES (1, '${team}');
  CREATE TABLE ${schema}.people (id integer PRIMARY KEY, name text, "teamId" integer DEFAULT 1);
  INSERT INTO ${schema}.people VALUES (7, '${person}')`;

const TENANTS = ['tenant_a', 'tenant_b', 'tenant_c'];
const SQL = [
  tablesOf('public', 'Ada', 'Engines'),
  ...TENANTS.map((tenant) => `CREATE SCHEMA ${tenant}; ${tablesOf(tenant, `Mallory of ${tenant}`, tenant)}`),
  // A tenant that also has tables of Sigra, in which nothing is revoked and every epoch is 0.
  ...['api_tokens', 'refresh_families', 'refresh_tokens', 'owners', 'sweeps'].map(
    (name) => `CREATE TABLE tenant_c.sigra_${name} (LIKE public.sigra_${name} INCLUDING ALL)`,
  ),
].join(';');

const KINDS: readonly [string, Type<object>, Type<object>[]][] = [
  ['joined', PlainUser, []],
  ['read by TypeORM', TeamUser, [Team]],
];

describe.each(KINDS)('users of a DataSource without a schema, %s', (_way, entity, others) => {
  let host: CustomUsersApp;

  const setPaths = (path: string) => onEveryConnection(host.dataSource, `SET search_path TO ${path}`);

  beforeAll(async () => {
    host = await startCustomUsersApp({
      users: { entity },
      entities: [entity, ...others],
      connection: { poolSize: 4 },
      sql: SQL,
    });
  });
  afterEach(async () => {
    await onEveryConnection(host.dataSource, 'RESET search_path');
    await onEveryConnection(host.dataSource, 'DISCARD TEMP');
  });
  afterAll(() => host.close());

  it('stay the same while requests set the search path of pooled connections', async () => {
    const { rawToken } = await host.tokens.create(7, REQUEST);
    const { accessToken } = await host.jwt.generateTokens(7, ['read:notes']);
    const credentials: Record<string, string>[] = [
      { authorization: `Bearer ${rawToken}` },
      { authorization: `Bearer ${accessToken}` },
      { 'x-session-user': '7' },
    ];
    const visit = async (n: number) => {
      // As the middleware of a host with a schema for each tenant does, without a reset.
      await host.dataSource.query(`SET search_path TO ${TENANTS[n % TENANTS.length]}`);
      const response = await host.request(credentials[n % credentials.length]!);
      return response.ok ? ((await response.json()) as { name: string }).name : response.status;
    };

    const names: unknown[] = [];
    for (let n = 0; n < 200; n += 20)
      names.push(...(await Promise.all(Array.from({ length: 20 }, (_, i) => visit(n + i)))));

    expect(names).toEqual(names.map(() => 'Ada'));
    expect(names).toHaveLength(200);
  });

  it('equal those of TypeORM with the search path from the start', async () => {
    const expected = await host.dataSource.getRepository(entity).findOneByOrFail({ id: 7 });

    await setPaths('tenant_b');

    expect(await host.userOf(7)).toEqual(expected);
    expect(await host.userOfSession('7')).toEqual(expected);
  });

  it('leave the search path of a connection as it is', async () => {
    await setPaths('tenant_b');
    await host.userOfSession('7');

    const paths = await onEveryConnection<{ search_path: string }>(host.dataSource, 'SHOW search_path');

    expect(paths.map((each) => each.search_path)).toEqual(paths.map(() => 'tenant_b'));
  });

  it('are not those of a temporary table', async () => {
    await onEveryConnection(
      host.dataSource,
      `CREATE TEMP TABLE people AS SELECT 7 AS id, 'Mallory' AS name, 1 AS "teamId"`,
    );

    expect(await host.userOf(7)).toMatchObject({ name: 'Ada' });
    expect(await host.userOfSession('7')).toMatchObject({ name: 'Ada' });
  });

  it('stay signed out when another schema has the tables of Sigra', async () => {
    const { rawToken } = await host.tokens.create(7, REQUEST);
    const { accessToken, refreshToken } = await host.jwt.generateTokens(7, ['read:notes']);
    await host.tokens.revokeAll(7);
    await host.jwt.signOutEverywhere(7);
    await host.dataSource.query('INSERT INTO tenant_c.sigra_api_tokens SELECT * FROM public.sigra_api_tokens');
    await host.dataSource.query('UPDATE tenant_c.sigra_api_tokens SET revoked_at = NULL');

    await setPaths('tenant_c');

    expect(await refusalOf(host.tokens.verify(rawToken))).toBe('token_revoked');
    expect(await refusalOf(host.jwt.verifyAccess(accessToken))).toBe('epoch_mismatch');
    expect(await refusalOf(host.jwt.refresh(refreshToken))).toBe('token_revoked');
  });

  it('keep revoked tokens revoked when a temporary table has the name of one of Sigra', async () => {
    const { rawToken, token } = await host.tokens.create(7, REQUEST);
    await onEveryConnection(host.dataSource, 'CREATE TEMP TABLE sigra_api_tokens AS SELECT * FROM sigra_api_tokens');

    await host.tokens.revoke(token.id);

    expect(await refusalOf(host.tokens.verify(rawToken))).toBe('token_revoked');
    expect(await host.userBehind(rawToken)).toBe(401);
  });
});

describe('the statements of Sigra', () => {
  it('name every table with its schema', async () => {
    const host = await startCustomUsersApp({ users: { entity: PlainUser }, entities: [PlainUser], sql: SQL });
    const log = QueryLog.of(host.dataSource);

    const { rawToken, token } = await host.tokens.create(7, REQUEST);
    await host.userBehind(rawToken);
    await host.tokens.rotate(token.id);
    await host.tokens.listActive(7);
    await host.tokens.revokeAll(7);
    const { refreshToken } = await host.jwt.generateTokens(7, ['read:notes']);
    await host.userBehind((await host.jwt.refresh(refreshToken)).accessToken);
    await host.jwt.listFamilies(7);
    await host.jwt.signOutEverywhere(7);
    await host.userOfSession('7');
    await host.close();
    const names = log.queries.flatMap(({ sql }) => sql.match(/(?:\S+\.)?"(?:sigra_\w+|people)"/g) ?? []);

    expect(new Set(names)).toEqual(
      new Set(
        [
          'sigra_api_tokens',
          'sigra_audit_events',
          'sigra_refresh_families',
          'sigra_refresh_tokens',
          'sigra_owners',
          'sigra_sweeps',
          'people',
        ].map((name) => `"public"."${name}"`),
      ),
    );
  });
});

describe('the names of the tables of Sigra', () => {
  let database: TestDatabase;
  let dataSource: DataSource;

  const connect = async (options: object = {}) => {
    dataSource = new DataSource({
      type: 'postgres',
      url: database.url,
      entities: sigraEntities,
      poolSize: 1,
      ...options,
    });
    await dataSource.initialize();
    return dataSource;
  };

  beforeAll(async () => {
    database = await createMigratedDatabase();
    await onDatabase(database.url, (client) => client.query('CREATE SCHEMA "My ""App"""; CREATE SCHEMA later'));
  });
  afterEach(() => dataSource.destroy());
  afterAll(() => database.drop());

  it('are in the first schema of the search path that has them', async () => {
    await connect({ extra: { options: '-c search_path=later,public' } });

    expect(await findQualifiedNames(dataSource)).toMatchObject({ apiTokens: '"public"."sigra_api_tokens"' });
  });

  it.each(['public', 'pg_temp,public', 'public,pg_temp'])(
    'are not those of temporary tables, with the search path %s',
    async (path) => {
      await connect({ extra: { options: `-c search_path=${path}` } });
      await dataSource.query('CREATE TEMP TABLE sigra_api_tokens (id integer)');
      await dataSource.query('CREATE TEMP TABLE sigra_owners (id integer)');

      const names = await findQualifiedNames(dataSource);

      expect(names).toEqual({
        apiTokens: '"public"."sigra_api_tokens"',
        auditEvents: '"public"."sigra_audit_events"',
        dpopProofs: '"public"."sigra_dpop_proofs"',
        idempotencyKeys: '"public"."sigra_idempotency_keys"',
        leases: '"public"."sigra_leases"',
        ownerTypes: '"public"."sigra_owner_types"',
        refreshFamilies: '"public"."sigra_refresh_families"',
        refreshTokens: '"public"."sigra_refresh_tokens"',
        sweeps: '"public"."sigra_sweeps"',
        tokenNotices: '"public"."sigra_token_notices"',
        tokenUsage: '"public"."sigra_token_usage"',
        owners: '"public"."sigra_owners"',
      });
    },
  );

  it('are in the schema where migrations will make them', async () => {
    const empty = await createDatabase();
    await onDatabase(empty.url, (client) => client.query('CREATE SCHEMA later'));
    await connect({ url: empty.url, extra: { options: '-c search_path=absent,later,public' } });

    const names = await findQualifiedNames(dataSource);
    await dataSource.query('DROP SCHEMA later, public CASCADE');
    const none = await findQualifiedNames(dataSource);
    await dataSource.destroy();
    await empty.drop();
    await connect();

    expect(names).toMatchObject({ apiTokens: '"later"."sigra_api_tokens"' });
    expect(none).toMatchObject({ apiTokens: '"sigra_api_tokens"' });
  });

  it('have the schema and the prefix of the DataSource, and are not looked up', async () => {
    await connect({ schema: 'My "App"', entityPrefix: 'acme_' });
    const log = QueryLog.of(dataSource);

    const names = await findQualifiedNames(dataSource);

    expect(names).toMatchObject({ owners: '"My ""App"""."acme_sigra_owners"' });
    expect(log.queries).toEqual([]);
  });
});
