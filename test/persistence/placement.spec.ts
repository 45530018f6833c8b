import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type INestApplicationContext, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import {
  ApiTokenService,
  AuditService,
  sigraEntities,
  sigraMigrations,
  SigraModule,
  TokenCleanupService,
} from 'nestjs-sigra';
import { VerifyFailureRecorder } from '../../libs/sigra/src/tokens/verify-failure.recorder.js';
import { LastUsedRecorder } from '../../libs/sigra/src/tokens/last-used.recorder.js';
import pg from 'pg';
import { Column, type DataSource, Entity, PrimaryColumn } from 'typeorm';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { refusalOf } from '../support/refusal.js';

@Entity('members')
class Member {
  @PrimaryColumn('integer')
  id!: number;

  @Column({ name: 'name', type: 'text' })
  name!: string;
}

interface Placement {
  readonly schema?: string;
  readonly entityPrefix?: string;
}

const PLACEMENTS: Readonly<Record<string, Placement>> = {
  'a schema': { schema: 'auth' },
  'a schema whose name must be quoted': { schema: 'My Auth Schema' },
  'tables with a prefix': { entityPrefix: 'acme_' },
  'tables with a prefix in a schema': { schema: 'auth', entityPrefix: 'Acme ' },
};

describe('Sigra in', () => {
  let database: TestDatabase;
  const apps: INestApplicationContext[] = [];

  const boot = async ({ schema = 'public', entityPrefix = '' }: Placement) => {
    await query(`CREATE SCHEMA IF NOT EXISTS "${schema}"`);
    await query(`CREATE TABLE "${schema}"."${entityPrefix}members" (id integer PRIMARY KEY, name text)`);
    await query(`INSERT INTO "${schema}"."${entityPrefix}members" VALUES (1, 'Ada')`);

    @Module({
      imports: [
        TypeOrmModule.forRoot({
          type: 'postgres',
          url: database.url,
          schema,
          entityPrefix,
          entities: [Member, ...sigraEntities],
          migrations: sigraMigrations,
          migrationsTableName: `${entityPrefix}migrations`,
          migrationsRun: true,
          retryAttempts: 0,
        }),
        SigraModule.forRoot({
          users: { entity: Member },
          apiTokens: { scopes: ['read:notes'] },
          audit: { retention: 3600 },
          cleanup: { schedule: false },
        }),
      ],
    })
    class AppModule {}

    const app = await Test.createTestingModule({ imports: [AppModule] }).compile();
    await app.init();
    apps.push(app);
    return app;
  };
  const query = async <Row extends pg.QueryResultRow>(sql: string): Promise<Row[]> => {
    const client = new pg.Client(database.url);
    await client.connect();
    return client.query<Row>(sql).then(
      async ({ rows }) => {
        await client.end();
        return rows;
      },
      async (error: unknown) => {
        await client.end();
        throw error;
      },
    );
  };
  /** Runs every statement on tokens and events at least once. */
  const live = async (app: INestApplicationContext) => {
    const tokens = app.get(ApiTokenService);
    const request = { name: 'CI', scopes: ['read:notes'] };
    const { rawToken, token } = await tokens.create(1, request);
    const verified = await tokens.verify(rawToken);
    await app.get(LastUsedRecorder).flush();
    const { tokens: listed } = await tokens.listActive(1);
    const rotated = await tokens.rotate(token.id);
    await tokens.revoke(rotated.token.id);
    await tokens.create(1, request);
    const revoked = await tokens.revokeAll(1);
    const refusal = await refusalOf(tokens.verify(rawToken));
    await app.get(VerifyFailureRecorder).flush();
    const { events } = await app.get(AuditService).query();
    const { complete } = await app.get(TokenCleanupService).cleanupExpiredTokens();
    return {
      verified: verified.id === token.id,
      used: listed.map(({ lastUsedAt }) => lastUsedAt !== null),
      revoked,
      refusal,
      actions: events.map(({ action }) => action),
      complete,
    };
  };
  const LIFE = {
    verified: true,
    used: [true],
    revoked: 1,
    refusal: 'token_revoked',
    actions: [
      'api.token_verify.failure',
      'api.token_revoke_all',
      'api.token_create',
      'api.token_revoke',
      'api.token_rotate',
      'api.token_create',
    ],
    complete: true,
  };

  beforeEach(async () => {
    database = await createDatabase();
  });
  afterEach(async () => {
    await Promise.all(apps.splice(0).map((app) => app.close()));
    await database.drop();
  });

  it.each(Object.entries(PLACEMENTS))('%s uses no tables elsewhere', async (_where, placement) => {
    const { schema = 'public', entityPrefix = '' } = placement;
    const app = await boot(placement);

    const life = await live(app);

    const tables = await query<{ schema: string; table: string }>(
      `SELECT DISTINCT table_schema AS schema, table_name AS table FROM information_schema.tables
       WHERE table_name LIKE '%sigra%'`,
    );
    expect(life).toEqual(LIFE);
    expect(tables.length).toBeGreaterThanOrEqual(2);
    expect(tables.every((each) => each.schema === schema && each.table.startsWith(`${entityPrefix}sigra_`))).toBe(true);
  });

  it('one schema under two prefixes is two installations', async () => {
    const [first, second] = [await boot({ entityPrefix: 'a_' }), await boot({ entityPrefix: 'b_' })];

    const lives = [await live(first), await live(second)];

    expect(lives).toEqual([LIFE, LIFE]);
  });

  it('one schema under two prefixes can be reverted one by one', async () => {
    const [first, second] = [await boot({ entityPrefix: 'a_' }), await boot({ entityPrefix: 'b_' })];
    const dataSource = first.get<DataSource>(getDataSourceToken());

    for (let left = sigraMigrations.length; left > 0; left--) await dataSource.undoLastMigration();

    expect(await live(second)).toEqual(LIFE);
  });
});
