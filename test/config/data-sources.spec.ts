import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Global, Injectable, Module } from '@nestjs/common';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import {
  ApiTokenService,
  AuditService,
  InjectSigraDataSource,
  sigraEntities,
  SigraConfigError,
  SigraModule,
} from 'nestjs-sigra';
import { Column, DataSource, Entity, PrimaryColumn, ViewColumn, ViewEntity } from 'typeorm';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { refusalOf } from '../support/refusal.js';
import { User } from '../support/test-app.js';
import { boot, connection } from '../support/boot.js';

@Entity('people')
class Person {
  @PrimaryColumn('uuid')
  id!: string;

  @Column({ name: 'number', type: 'numeric' })
  number!: string;

  @Column({ name: 'code', type: 'text', select: false })
  code!: string;
}

@ViewEntity({ name: 'everybody', expression: 'SELECT 1 AS id' })
class Everybody {
  @ViewColumn()
  id!: number;
}

/** A class that is not an entity. */
class Stranger {
  id!: string;
}

const cleanup = { schedule: false } as const;

describe('the DataSource', () => {
  let database: TestDatabase;
  let other: TestDatabase;

  beforeAll(async () => {
    [database, other] = await Promise.all([createDatabase(), createDatabase()]);
  });
  afterAll(() => Promise.all([database.drop(), other.drop()]));

  const entities = [User, Person, Everybody, ...sigraEntities];
  const users: readonly [string, object, string, string][] = [
    [
      'is not registered',
      { entity: Stranger },
      'users.entity',
      'Stranger is not an entity of the DataSource; add it to its entities',
    ],
    [
      'does not have the id column',
      { entity: User, id: 'uid' },
      'users.id',
      'User has no column "uid"; name the property of its id',
    ],
    [
      'has an id of an unsupported type',
      { entity: Person, id: 'number' },
      'users.id',
      'is a column of type "numeric" of Person; Sigra reads uuid, integer and text ids itself. Give users.provider instead of users.entity',
    ],
    [
      'has an id that is not selected',
      { entity: Person, id: 'code' },
      'users.id',
      'names a column that is not selected; remove "select: false" from it',
    ],
    [
      'is a view',
      { entity: Everybody },
      'users.entity',
      'Everybody is a view; give users.provider instead of users.entity',
    ],
  ];

  it.each(users)('fails the boot when the user entity %s', async (_case, given, option, problem) => {
    const booting = boot({
      imports: [
        connection(database.url, { entities }),
        SigraModule.forRoot({ users: given as { entity: typeof User }, cleanup }),
      ],
    });

    await expect(booting).rejects.toThrow(SigraConfigError);
    await expect(booting).rejects.toThrow(`sigra: ${option} ${problem}`);
  });

  it('fails the boot when it does not have the entities of Sigra', async () => {
    const booting = boot({
      imports: [
        connection(database.url, { entities: [User] }),
        SigraModule.forRoot({ users: { entity: User }, cleanup }),
      ],
    });

    await expect(booting).rejects.toThrow(
      "sigra: dataSource does not know Sigra's tables; add ...sigraEntities to its entities and ...sigraMigrations to its migrations",
    );
  });

  it('fails the boot when it has only some of the entities of Sigra', async () => {
    const some = [User, ...sigraEntities.slice(1)];

    const booting = boot({
      imports: [
        connection(database.url, { entities: some }),
        SigraModule.forRoot({ users: { entity: User }, cleanup }),
      ],
    });

    await expect(booting).rejects.toThrow("sigra: dataSource does not know Sigra's tables");
  });

  it('fails the boot when TypeORM has not initialized it, and says so', async () => {
    const typeOrm = TypeOrmModule.forRoot({
      type: 'postgres',
      url: database.url,
      entities,
      manualInitialization: true,
    });

    const booting = boot({ imports: [typeOrm, SigraModule.forRoot({ users: { entity: User }, cleanup })] });

    await expect(booting).rejects.toThrow(/^sigra: dataSource is not initialized, .*; remove manualInitialization/);
  });

  it('fails the boot when its type is not postgres', async () => {
    // CockroachDB supports the protocol of PostgreSQL, but not all of its SQL.
    const dataSource = new DataSource({ type: 'cockroachdb', url: database.url, timeTravelQueries: false });

    @Global()
    @Module({
      providers: [{ provide: getDataSourceToken(), useValue: dataSource }],
      exports: [getDataSourceToken()],
    })
    class HostModule {}

    const booting = boot({ imports: [HostModule, SigraModule.forRoot({ users: { entity: User }, cleanup })] });

    await expect(booting).rejects.toThrow('sigra: dataSource must be of type "postgres", not "cockroachdb"');
  });

  it('fails the boot when no DataSource has the given name', async () => {
    const booting = boot({
      imports: [
        connection(database.url),
        SigraModule.forRoot({ users: { entity: User }, cleanup, dataSource: 'auth' }),
      ],
    });

    await expect(booting).rejects.toThrow(/authDataSource/);
  });

  it('can be injected into a service of the host, whatever its name is', async () => {
    @Injectable()
    class Reports {
      constructor(@InjectSigraDataSource() readonly dataSource: DataSource) {}
    }

    @Module({
      imports: [
        connection(database.url, { name: 'auth', entities: [User, ...sigraEntities] }),
        SigraModule.forRoot({ users: { entity: User }, cleanup, dataSource: 'auth' }),
      ],
      providers: [Reports],
    })
    class AppModule {}

    const app = await boot({ imports: [AppModule] });

    expect(app.get(Reports).dataSource).toBe(app.get(getDataSourceToken('auth')));
    await app.close();
  });

  it('is the one with the given name, beside another one of the host', async () => {
    @Module({
      imports: [
        connection(database.url, { entities: [] }),
        connection(other.url, { name: 'auth', entities: [User, ...sigraEntities] }),
        SigraModule.forRootAsync({ useFactory: () => ({ users: { entity: User }, cleanup }), dataSource: 'auth' }),
      ],
    })
    class AppModule {}

    const app = await boot({ imports: [AppModule] });
    const [main, auth] = [app.get(DataSource), app.get<DataSource>(getDataSourceToken('auth'))];
    await auth.query(
      'CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email text, password_hash text, disabled_at timestamptz)',
    );
    const [{ id }] = await auth.query(`INSERT INTO users (email) VALUES ('ada@example.com') RETURNING id`);
    const tokens = app.get(ApiTokenService);

    const { rawToken, token } = await tokens.create(id, { name: 'CI', scopes: ['*'] });
    const verified = await tokens.verify(rawToken);
    await tokens.revoke(token.id);
    const refusal = await refusalOf(tokens.verify(rawToken));
    const { events } = await app.get(AuditService).query();
    const stored = await Promise.all(
      [main, auth].map((each) => each.query<unknown[]>('SELECT 1 FROM sigra_api_tokens')),
    );
    await app.close();

    expect([verified.id, refusal]).toEqual([token.id, 'token_revoked']);
    expect(events.map(({ action }) => action)).toEqual(['api.token_revoke', 'api.token_create']);
    expect(stored).toEqual([[], [{ '?column?': 1 }]]);
  });
});
