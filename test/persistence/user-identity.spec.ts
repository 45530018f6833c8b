import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Injectable, type OnModuleInit, type Type } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { SigraConfigError } from 'nestjs-sigra';
import {
  Column,
  DataSource,
  type DataSourceOptions,
  DeleteDateColumn,
  Entity,
  type EntitySubscriberInterface,
  EventSubscriber,
  Index,
  ManyToOne,
  type ObjectLiteral,
  PrimaryColumn,
  type Relation,
  RelationId,
  VirtualColumn,
} from 'typeorm';
import { Announcements } from '../support/announcements.js';
import { type CustomUsersApp, type CustomUsersOptions, startCustomUsersApp } from '../support/custom-users-app.js';
import { onDatabase } from '../support/database.js';
import { QueryLog } from '../support/query-log.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };

class Key {
  @PrimaryColumn('integer')
  id!: number;
}

@Entity('people')
class Person {
  @PrimaryColumn('integer')
  tenant!: number;

  @PrimaryColumn('integer')
  id!: number;

  @Column({ type: 'text', array: true, default: '{}' })
  names!: string[];
}

@Entity('people')
class SoleKeyPerson {
  @PrimaryColumn('integer')
  id!: number;
}

@Entity('people')
class UniquePerson {
  @PrimaryColumn('integer')
  tenant!: number;

  @Column({ type: 'integer', unique: true })
  id!: number;
}

@Entity('people')
@Index(['id'], { unique: true, where: 'tenant = 1' })
@Index(['id', 'tenant'], { unique: true })
class PartlyUniquePerson {
  @PrimaryColumn('integer')
  tenant!: number;

  @Column('integer')
  id!: number;
}

@Entity('people')
class KeyedPerson {
  @Column(() => Key)
  key!: Key;
}

@Entity('people')
class RelatedPerson {
  @PrimaryColumn('integer')
  tenant!: number;

  @ManyToOne(() => SoleKeyPerson)
  id!: Relation<SoleKeyPerson>;
}

@Entity('people')
class VirtualPerson {
  @PrimaryColumn('integer')
  tenant!: number;

  @VirtualColumn({ query: (alias) => `${alias}.tenant` })
  id!: number;
}

@Entity('people')
class CachedPerson {
  @PrimaryColumn('integer')
  id!: number;

  @ManyToOne(() => SoleKeyPerson)
  boss?: Relation<SoleKeyPerson>;

  @RelationId((person: CachedPerson) => person.boss)
  bossId!: number;
}

const TENANTS = 'CREATE TABLE people (tenant integer, id integer, names text[], PRIMARY KEY (tenant, id))';
const NOT_UNIQUE = (name: string) =>
  `sigra: users.id names "id" of ${name}, which is not unique in "public"."people", so one id can have several users; ` +
  'make it the only primary key, add a unique constraint on it alone, or name a property that has one';

interface Refused {
  readonly entity: Type<ObjectLiteral>;
  readonly id?: string;
  readonly entities?: Type<object>[];
  readonly connection?: Record<string, unknown>;
  readonly sql?: string;
  readonly message: string;
}

const REFUSED: Readonly<Record<string, Refused>> = {
  'is a part of the primary key': { entity: Person, sql: TENANTS, message: NOT_UNIQUE('Person') },
  'is a part of the primary key of a table that does not exist yet': { entity: Person, message: NOT_UNIQUE('Person') },
  'is unique in the entity only': { entity: SoleKeyPerson, sql: TENANTS, message: NOT_UNIQUE('SoleKeyPerson') },
  'is unique among some rows only': {
    entity: PartlyUniquePerson,
    sql: `CREATE TABLE people (tenant integer PRIMARY KEY, id integer);
          CREATE UNIQUE INDEX ON people (id) WHERE tenant = 1; CREATE UNIQUE INDEX ON people (id, tenant);
          CREATE UNIQUE INDEX ON people ((id + 1)); CREATE INDEX ON people (id)`,
    message: NOT_UNIQUE('PartlyUniquePerson'),
  },
  'is unique among some rows only of a table that does not exist yet': {
    entity: PartlyUniquePerson,
    message: NOT_UNIQUE('PartlyUniquePerson'),
  },
  'is unique, but not in a table that inherits': {
    entity: SoleKeyPerson,
    sql: 'CREATE TABLE people (id integer PRIMARY KEY); CREATE TABLE staff () INHERITS (people)',
    message: NOT_UNIQUE('SoleKeyPerson'),
  },
  'is in a view': {
    entity: SoleKeyPerson,
    sql: 'CREATE VIEW people AS SELECT 7 AS id UNION ALL SELECT 7',
    message: NOT_UNIQUE('SoleKeyPerson'),
  },
  'is embedded': {
    entity: KeyedPerson,
    message:
      'sigra: users.id names "id", which KeyedPerson has only inside of an embedded entity; give users.provider instead of users.entity',
  },
  'is a relation': {
    entity: RelatedPerson,
    entities: [SoleKeyPerson],
    message: 'sigra: users.id names "id" of RelatedPerson, which is a relation or a virtual column; name a real column',
  },
  'is virtual': {
    entity: VirtualPerson,
    message: 'sigra: users.id names "id" of VirtualPerson, which is a relation or a virtual column; name a real column',
  },
  'is an array': {
    entity: Person,
    id: 'names',
    message: 'sigra: users.id is a column of type "text[]" of Person; Sigra reads uuid, integer and text ids itself',
  },
  'has another type in the database': {
    entity: SoleKeyPerson,
    sql: 'CREATE TABLE people (id numeric PRIMARY KEY)',
    message: 'sigra: users.id is a column of type "numeric" of SoleKeyPerson',
  },
};

describe('users.id', () => {
  it.each(Object.entries(REFUSED))('is refused at boot when it %s', async (_case, refused) => {
    const booting = startCustomUsersApp({
      users: { entity: refused.entity, id: refused.id ?? 'id' },
      entities: [refused.entity, ...(refused.entities ?? [])],
      ...(refused.sql === undefined ? {} : { sql: refused.sql }),
    });

    await expect(booting).rejects.toThrow(SigraConfigError);
    await expect(booting).rejects.toThrow(refused.message);
  });

  it.each<[string, Type<object>, string]>([
    ['of a table that does not exist yet, as the only primary key', SoleKeyPerson, 'SELECT 1'],
    ['of a table that does not exist yet, as a unique column', UniquePerson, 'SELECT 1'],
    ['that is unique in the database only', Person, `${TENANTS}; ALTER TABLE people ADD UNIQUE (id)`],
    [
      'of a partitioned table',
      SoleKeyPerson,
      `CREATE TABLE people (id integer PRIMARY KEY) PARTITION BY HASH (id);
       CREATE TABLE people_0 PARTITION OF people FOR VALUES WITH (MODULUS 1, REMAINDER 0)`,
    ],
  ])('is accepted: %s', async (_case, entity, sql) => {
    const host = await startCustomUsersApp({ users: { entity }, entities: [entity], sql });

    const { token } = await host.tokens.create(7, REQUEST);
    await host.close();

    expect(token.ownerId).toBe('7');
  });

  it('can be of a table that a later migration creates', async () => {
    const host = await startCustomUsersApp({ users: { entity: SoleKeyPerson }, entities: [SoleKeyPerson] });
    await host.dataSource.query('CREATE TABLE people (id integer PRIMARY KEY); INSERT INTO people VALUES (7)');

    const user = await host.userOf(7);
    await host.close();

    expect(user).toEqual({ id: 7 });
  });
});

describe('A DataSource that caches every query', () => {
  const connection: Partial<DataSourceOptions> = { cache: { alwaysEnabled: true, duration: 600_000 } };

  it('does not boot with users whose relations TypeORM reads', async () => {
    const booting = startCustomUsersApp({
      users: { entity: CachedPerson },
      entities: [CachedPerson, SoleKeyPerson],
      connection,
      sql: 'CREATE TABLE people (id integer PRIMARY KEY, "bossId" integer)',
    });

    await expect(booting).rejects.toThrow(/users\.entity CachedPerson has relations .*cache\.alwaysEnabled/);
  });

  it('does not cache users', async () => {
    const host = await startCustomUsersApp({
      users: { entity: Member, isActive: ({ status }) => status === 'active' },
      entities: [Member],
      connection: { ...connection, subscribers: [StatusSubscriber] },
      sql: MEMBERS,
    });
    await host.dataSource.synchronize();
    const { rawToken } = await host.tokens.create(1, REQUEST);

    const before = await host.userBehind(rawToken);
    await host.dataSource.query(`UPDATE members SET status = '${sealed('banned')}' WHERE id = 1`);
    const after = await host.userBehind(rawToken);
    await host.close();

    expect([before, after]).toEqual([{ id: 1, status: 'active', deletedAt: null }, 401]);
  });
});

const sealed = (status: string) => Buffer.from(status).toString('base64');

@Entity('members')
class Member {
  @PrimaryColumn('integer')
  id!: number;

  @Column('text')
  status!: string;

  @DeleteDateColumn({ type: 'timestamptz' })
  deletedAt!: Date | null;
}

/** Opens a column that the database keeps sealed, as encryption of columns does. */
@EventSubscriber()
class StatusSubscriber implements EntitySubscriberInterface<Member> {
  listenTo() {
    return Member;
  }

  async afterLoad(member: Member): Promise<void> {
    if (member.status === 'broken') throw new Error('The status cannot be opened');
    await Promise.resolve();
    member.status = Buffer.from(member.status, 'base64').toString();
  }
}

const MEMBERS = `CREATE TABLE members (id integer PRIMARY KEY, status text, "deletedAt" timestamptz);
  INSERT INTO members SELECT n, '${sealed('active')}' FROM generate_series(1, 20) n;
  UPDATE members SET status = '${sealed('banned')}' WHERE id = 2;
  UPDATE members SET status = 'broken' WHERE id = 3`;

/** Registers itself as the documentation of Nest shows it. */
@Injectable()
class ProvidedSubscriber extends StatusSubscriber {
  constructor(@InjectDataSource() dataSource: DataSource) {
    super();
    dataSource.subscribers.push(this);
  }
}

@Injectable()
class LateSubscriber extends StatusSubscriber implements OnModuleInit {
  constructor(@InjectDataSource() private readonly dataSource: DataSource) {
    super();
  }

  async onModuleInit(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.dataSource.subscribers.push(this);
  }
}

describe.each<[string, Partial<CustomUsersOptions<Member>>]>([
  ['an option of the DataSource', { connection: { subscribers: [StatusSubscriber] } }],
  ['a provider that adds itself', { providers: [ProvidedSubscriber] }],
  ['a provider that adds itself while the application starts', { providers: [LateSubscriber] }],
])('A subscriber that opens the status of users, as %s', (_case, options) => {
  const logger = new Announcements();
  let host: CustomUsersApp;

  beforeAll(async () => {
    host = await startCustomUsersApp({
      users: { entity: Member, isActive: ({ status }) => status === 'active' },
      entities: [Member],
      sql: MEMBERS,
      logger,
      ...options,
    });
  });
  afterAll(() => host.close());

  it('lets active users in, and keeps banned ones out', async () => {
    const { accessToken } = await host.jwt.generateTokens(1, ['read:notes']);
    const { accessToken: ofBanned } = await host.jwt.generateTokens({ id: 2, status: 'active' }, ['read:notes']);

    const active = [await host.userOf(1), await host.userBehind(accessToken), await host.userOfSession('1')];
    const banned = [await host.userOf(2), await host.userBehind(ofBanned), await host.userOfSession('2')];

    expect(active).toEqual(active.map(() => ({ id: 1, status: 'active', deletedAt: null })));
    expect(banned).toEqual([401, 401, 401]);
    expect(logger.texts).toEqual([
      expect.stringMatching(
        /^Reads Member with TypeORM, which is slower: it has a subscriber with afterLoad\(\): \w+$/,
      ),
    ]);
  });
});

describe('Users that TypeORM reads', () => {
  let host: CustomUsersApp;

  beforeAll(async () => {
    host = await startCustomUsersApp({
      users: { entity: Member, isActive: ({ status }) => status === 'active' },
      entities: [Member],
      connection: { subscribers: [StatusSubscriber] },
      sql: MEMBERS,
    });
  });
  afterEach(async () => {
    await host.dataSource.query('UPDATE members SET "deletedAt" = NULL');
  });
  afterAll(() => host.close());

  const issue = (ids: readonly (number | string)[]) =>
    Promise.all(ids.map(async (id) => (await host.tokens.create(id, REQUEST)).rawToken));

  it('are read by one query for all requests of a turn, and again in the next', async () => {
    const rawTokens = await issue([1, 4, 5, 6]);
    const log = QueryLog.of(host.dataSource);
    const reads = () => log.matching(/FROM "members"/);

    await Promise.all(rawTokens.map((rawToken) => host.tokens.verify(rawToken)));
    const first = reads().map(({ parameters }) => parameters);
    await host.tokens.verify(rawTokens[0]!);

    expect(first).toEqual([[['1', '4', '5', '6']]]);
    expect(reads()).toHaveLength(2);
  });

  it('are separate objects for concurrent requests of one user', async () => {
    const [one, other] = (await issue([4, 4])).map((rawToken) => hashOf(rawToken));

    const found = await Promise.all([one!, one!, other!].map((hash) => host.repository.findWithOwner(hash)));
    const users = found.map((each) => each?.user);

    expect(users).toEqual(users.map(() => ({ id: 4, status: 'active', deletedAt: null })));
    expect(new Set(users).size).toBe(3);
  });

  it('are refused after a soft delete from the next request on', async () => {
    const [rawToken] = await issue([4]);
    const { accessToken } = await host.jwt.generateTokens(4, ['read:notes']);

    await host.dataSource.getRepository(Member).softDelete({ id: 4 });

    expect([
      await host.userBehind(rawToken!),
      await host.userBehind(accessToken),
      await host.userOfSession('4'),
    ]).toEqual([401, 401, 401]);
  });

  it('do not stop the requests of others when their ids are invalid for the column', async () => {
    const rawTokens = await issue([5, 'x', '07', '2147483648', '9'.repeat(400), '1e3', "1' OR 1=1"]);

    const [valid, ...others] = await Promise.allSettled(rawTokens.map((rawToken) => host.tokens.verify(rawToken)));

    expect(valid).toMatchObject({ value: { ownerId: '5' } });
    expect(others).toMatchObject(others.map(() => ({ reason: { code: 'invalid_token' } })));
  });

  it('do not stop the requests of others when one of them cannot be loaded', async () => {
    const rawTokens = await issue([1, 3, 4, 5, 3, 6]);

    const outcomes = await Promise.allSettled(rawTokens.map((rawToken) => host.tokens.verify(rawToken)));

    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(outcomes[1]).toMatchObject({ reason: { message: 'The status cannot be opened' } });
  });

  it('make requests unavailable while their table cannot be read', async () => {
    const [rawToken] = await issue([4]);

    await host.dataSource.query('ALTER TABLE members RENAME TO gone');
    const during = [await host.userBehind(rawToken!), await host.userOfSession('4')];
    await host.dataSource.query('ALTER TABLE gone RENAME TO members');

    expect(during).toEqual([503, 503]);
    expect(await host.userBehind(rawToken!)).toMatchObject({ id: 4 });
  });
});

describe('Users that TypeORM cannot read in time', () => {
  it('make requests unavailable, and are found again afterwards', async () => {
    const host = await startCustomUsersApp({
      users: { entity: Member },
      entities: [Member],
      connection: { subscribers: [StatusSubscriber] },
      lookupTimeout: 500,
      sql: MEMBERS,
    });
    const { rawToken } = await host.tokens.create(1, REQUEST);
    const url = (host.dataSource.options as { url: string }).url;

    const refusal = await onDatabase(url, async (client) => {
      await client.query('BEGIN; LOCK TABLE members');
      return host.userBehind(rawToken);
    });
    const found = await host.userBehind(rawToken);
    await host.close();

    expect(refusal).toBe(503);
    expect(found).toMatchObject({ id: 1 });
  });
});

function hashOf(rawToken: string): string {
  return createHash('sha256').update(rawToken).digest('hex');
}

/** Removes the tenant of an id, so that users of two tenants have the same. */
const withoutTenant = { from: (id: string) => id.split(':')[1]!, to: (id: string) => `b:${id}` };

@Entity('people')
class TenantId {
  @PrimaryColumn({ type: 'text', transformer: withoutTenant })
  id!: string;
}

/** Finds the next user: what it writes is not what it reads. */
const oneWay = { from: (value: number) => value, to: (value: number) => value + 1 };

@Entity('people')
class OneWayUser {
  @PrimaryColumn({ type: 'integer', transformer: oneWay })
  id!: number;
}

describe('A transformer on the id', () => {
  it('that gives two users one id finds the one that it writes', async () => {
    const host = await startCustomUsersApp({
      users: { entity: TenantId },
      entities: [TenantId],
      sql: `CREATE TABLE people (id text PRIMARY KEY); INSERT INTO people VALUES ('a:7'), ('a:8'), ('b:7')`,
    });

    const users = [await host.userOfSession('7'), await host.userOfSession('8')];
    await host.close();

    expect(users).toEqual([{ id: '7' }, 401]);
  });

  it('that finds another user signs in no one', async () => {
    const host = await startCustomUsersApp({
      users: { entity: OneWayUser },
      entities: [OneWayUser],
      sql: 'CREATE TABLE people (id integer PRIMARY KEY); INSERT INTO people VALUES (7), (8)',
    });
    const { accessToken } = await host.jwt.generateTokens({ id: 7 }, ['read:notes']);

    const users = [await host.userOf(7), await host.userBehind(accessToken), await host.userOfSession('7')];
    await host.close();

    expect(users).toEqual([401, 401, 401]);
  });
});
