import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Type } from '@nestjs/common';
import { sigraMigrations } from 'nestjs-sigra';
import {
  AfterLoad,
  ChildEntity,
  Column,
  CreateDateColumn,
  DefaultNamingStrategy,
  DeleteDateColumn,
  Entity,
  type EntitySubscriberInterface,
  EventSubscriber,
  Index,
  JoinColumn,
  ManyToOne,
  type ObjectLiteral,
  OneToMany,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  type Relation,
  RelationId,
  TableInheritance,
  Tree,
  TreeChildren,
  TreeParent,
  VirtualColumn,
} from 'typeorm';
import { Announcements } from '../support/announcements.js';
import { type CustomUsersApp, startCustomUsersApp } from '../support/custom-users-app.js';

const UUID = '3f0c0a52-6a1c-4f5c-9d8e-1b2a3c4d5e6f';

/** Converts between `1007` in the database and `7` in the application. */
const offset = { from: (value: number) => value - 1000, to: (value: number) => value + 1000 };

@Entity('people')
class IntegerUser {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column('text')
  name!: string;
}

@Entity('people')
class BigintUser {
  @PrimaryColumn('bigint')
  id!: string;

  @Column('text')
  name!: string;
}

@Entity('people')
class UuidUser {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  @Column('text')
  name!: string;
}

@Entity('people')
class TextUser {
  @PrimaryColumn('text')
  id!: string;

  @Column('text')
  name!: string;
}

@Entity('people')
class CitextUser {
  @PrimaryColumn('citext')
  id!: string;

  @Column('text')
  name!: string;
}

@Entity('people')
class OffsetUser {
  @PrimaryColumn({ type: 'integer', transformer: offset })
  id!: number;

  @Column('text')
  name!: string;
}

@Entity('people')
class OffsetPublicUser {
  @PrimaryColumn('integer')
  key!: number;

  @Column({ type: 'integer', transformer: [offset], unique: true })
  id!: number;
}

@Entity('people')
class TaggedUser {
  @PrimaryColumn('integer')
  id!: number;

  @Column({ type: 'text', transformer: { from: (text: string) => text.split(','), to: String } })
  tags!: string[];
}

@Entity('people')
class TenantUser {
  @PrimaryColumn('integer')
  tenant!: number;

  @PrimaryColumn('integer')
  id!: number;

  @Column('text')
  name!: string;
}

class Address {
  @Column({ type: 'text', nullable: true })
  city!: string | null;

  @AfterLoad()
  shout(): void {
    this.city &&= this.city.toUpperCase();
  }
}

class Home {
  @Column(() => Address)
  address!: Address;

  get hasCity(): boolean {
    return this.address.city !== null;
  }
}

@Entity('people')
class HousedUser {
  @PrimaryColumn('integer')
  id!: number;

  @Column(() => Home)
  home!: Home;

  @Column(() => Address)
  work!: Address;
}

@Entity('people')
class SecretUser {
  @PrimaryColumn('integer')
  id!: number;

  @Column({ type: 'text', select: false })
  password?: string;
}

@Entity('people')
class SecretKeyUser {
  @PrimaryColumn({ type: 'integer', select: false })
  key?: number;

  @Column({ type: 'integer', unique: true })
  id!: number;
}

abstract class Timestamped {
  @CreateDateColumn({ type: 'timestamptz' })
  createdAt!: Date;

  age(): number {
    return Date.now() - this.createdAt.getTime();
  }
}

abstract class Identified extends Timestamped {
  @PrimaryColumn('integer')
  id!: number;
}

@Entity('people')
class DerivedUser extends Identified {
  @Column('text')
  name!: string;
}

@Entity('people')
@TableInheritance({ column: { name: 'kind', type: 'text' } })
class Account {
  @PrimaryColumn('integer')
  id!: number;

  @Column('text')
  name!: string;
}

@ChildEntity('admin')
class Admin extends Account {
  @Column({ type: 'integer', nullable: true })
  level!: number | null;
}

@ChildEntity('guest')
class Guest extends Account {
  @Column({ type: 'text', nullable: true })
  host!: string | null;
}

@Entity('people')
class WatchedUser {
  @PrimaryColumn('integer')
  id!: number;

  @Column('text')
  name!: string;
}

@EventSubscriber()
class NameSubscriber implements EntitySubscriberInterface<WatchedUser> {
  listenTo() {
    return WatchedUser;
  }

  afterLoad(user: WatchedUser): void {
    user.name = Buffer.from(user.name, 'base64').toString();
  }
}

@EventSubscriber()
class IdleSubscriber implements EntitySubscriberInterface {
  beforeInsert(): void {
    // Nothing that concerns a read.
  }
}

@EventSubscriber()
class TeamSubscriber implements EntitySubscriberInterface<Team> {
  listenTo() {
    return Team;
  }

  afterLoad(team: Team): void {
    team.name = 'never loaded';
  }
}

@Entity('people')
class ArguedUser {
  @PrimaryColumn('integer')
  id!: number;

  @Column('text')
  name!: string;

  readonly isNew: boolean;

  constructor(given?: { readonly isNew: boolean }) {
    this.isNew = given?.isNew ?? false;
  }
}

@Entity('people')
class SkippedUser {
  @PrimaryColumn('integer')
  id!: number;

  @Column('text')
  name!: string;

  constructor(given: { readonly name: string }) {
    this.name = given.name;
  }
}

@Entity('people')
class DefaultedUser {
  @PrimaryColumn('integer')
  id!: number;

  @Column('text')
  name!: string;

  readonly roles: string[] = ['reader'];
}

@Entity('teams')
class Team {
  @PrimaryColumn('integer')
  id!: number;

  @Column('text')
  name!: string;

  @OneToMany(() => LazyUser, (user) => user.team)
  lazies!: Relation<LazyUser>[];
}

@Entity('people')
class LazyUser {
  @PrimaryColumn('integer')
  id!: number;

  @ManyToOne(() => Team, (team) => team.lazies, { lazy: true })
  team!: Promise<Team>;
}

@Entity('people')
class EagerUser {
  @PrimaryColumn('integer')
  id!: number;

  @ManyToOne(() => Team, { eager: true })
  team!: Relation<Team>;
}

@Entity('people')
class RelatedUser {
  @PrimaryColumn('integer')
  id!: number;

  @ManyToOne(() => Team)
  team?: Relation<Team>;

  @Column('integer')
  teamId!: number;
}

@Entity('people')
class RelationIdUser {
  @PrimaryColumn('integer')
  id!: number;

  @ManyToOne(() => Team)
  @JoinColumn({ name: 'teamId' })
  team?: Relation<Team>;

  @RelationId((user: RelationIdUser) => user.team)
  teamId!: number;
}

@Entity('people')
class VirtualUser {
  @PrimaryColumn('integer')
  id!: number;

  @VirtualColumn({ query: (alias) => `SELECT t.name FROM teams t WHERE t.id = ${alias}.id` })
  teamName!: string;
}

@Entity('people')
@Tree('materialized-path')
class TreeUser {
  @PrimaryColumn('integer')
  id!: number;

  @TreeChildren()
  reports!: Relation<TreeUser>[];

  @TreeParent()
  boss!: Relation<TreeUser> | null;
}

@Entity('people')
class SpatialUser {
  @PrimaryColumn('integer')
  id!: number;

  @Column('geometry')
  place!: object;
}

@Entity('people')
class SoftUser {
  @PrimaryColumn('integer')
  id!: number;

  @DeleteDateColumn({ type: 'timestamptz' })
  deletedAt!: Date | null;
}

@Entity()
class CamelUser {
  @PrimaryColumn('integer')
  userId!: number;

  @Column('text')
  fullName!: string;
}

@Entity('people')
@Index(['id'], { unique: true })
class PublicIdUser {
  @PrimaryGeneratedColumn()
  key!: number;

  @Column('uuid')
  id!: string;
}

/** A strategy as hosts write it, and as packages on npm do. */
class SnakeNaming extends DefaultNamingStrategy {
  override tableName(target: string, given: string | undefined): string {
    return given ?? snake(target);
  }

  override columnName(property: string, given: string | undefined, prefixes: string[]): string {
    return snake([...prefixes, given ?? property].join('_'));
  }
}

function snake(name: string): string {
  return name.replaceAll(/(?<=[a-z])[A-Z]/g, '_$&').toLowerCase();
}

interface Kind {
  readonly entity: Type<ObjectLiteral>;
  readonly sql: string;
  /** @default the integer 7 */
  readonly id?: string | number;
  /** `users.id`. @default 'id' */
  readonly property?: string;
  readonly entities?: readonly Type<object>[];
  readonly connection?: Record<string, unknown>;
  /** Why TypeORM reads it. @default it is joined */
  readonly reason?: string;
  /** The class of the user. @default the entity */
  readonly made?: Type<object>;
  /** Other spellings of the id that sessions can have. */
  readonly spellings?: readonly string[];
}

const PEOPLE = `CREATE TABLE people (id integer PRIMARY KEY, name text); INSERT INTO people VALUES (7, 'Ada'), (8, 'Grace')`;
const TEAMS = `CREATE TABLE teams (id integer PRIMARY KEY, name text); INSERT INTO teams VALUES (7, 'Engines');
  CREATE TABLE people (id integer PRIMARY KEY, "teamId" integer REFERENCES teams); INSERT INTO people VALUES (7, 7)`;

const KINDS: Readonly<Record<string, Kind>> = {
  'an integer id': { entity: IntegerUser, sql: PEOPLE },
  'a bigint id': {
    entity: BigintUser,
    id: '9007199254740993',
    sql: `CREATE TABLE people (id bigint PRIMARY KEY, name text);
          INSERT INTO people VALUES (9007199254740992, 'Grace'), (9007199254740993, 'Ada')`,
  },
  'a uuid id': {
    entity: UuidUser,
    id: UUID,
    sql: `CREATE TABLE people (id uuid PRIMARY KEY, name text); INSERT INTO people VALUES ('${UUID}', 'Ada')`,
    spellings: [UUID.toUpperCase()],
  },
  'a text id': {
    entity: TextUser,
    id: 'auth0|42 x',
    sql: `CREATE TABLE people (id text PRIMARY KEY, name text);
          INSERT INTO people VALUES ('auth0|42 x', 'Ada'), ('AUTH0|42 x', 'Grace')`,
  },
  'a text id in a uuid column': {
    entity: TextUser,
    id: UUID,
    sql: `CREATE TABLE people (id uuid PRIMARY KEY, name text); INSERT INTO people VALUES ('${UUID}', 'Ada')`,
  },
  'a citext id': {
    entity: CitextUser,
    id: 'Ädä@Example.com',
    sql: `CREATE EXTENSION citext; CREATE TABLE people (id citext PRIMARY KEY, name text);
          INSERT INTO people VALUES ('Ädä@Example.com', 'Ada'), ('ad@example.com', 'Grace')`,
    spellings: ['Ädä@EXAMPLE.com', 'Ädä@example.com'],
  },
  'a citext id in another schema, in a domain': {
    entity: CitextUser,
    id: 'Ada',
    sql: `CREATE SCHEMA tools; CREATE EXTENSION citext SCHEMA tools; CREATE DOMAIN handle AS tools.citext;
          CREATE TABLE people (id handle PRIMARY KEY, name text); INSERT INTO people VALUES ('Ada', 'Ada')`,
    spellings: ['ADA'],
  },
  'a transformer on its id': {
    entity: OffsetUser,
    sql: `CREATE TABLE people (id integer PRIMARY KEY, name text);
          INSERT INTO people VALUES (7, 'Mallory'), (1007, 'Ada'), (71000, 'Grace')`,
    reason: 'has a transformer on its id',
  },
  'a transformer on an id that is not its primary key': {
    entity: OffsetPublicUser,
    sql: `CREATE TABLE people (key integer PRIMARY KEY, id integer UNIQUE); INSERT INTO people VALUES (7, 1006), (8, 1007)`,
    reason: 'has a transformer on its id',
  },
  'a transformer on another column': {
    entity: TaggedUser,
    sql: `CREATE TABLE people (id integer PRIMARY KEY, tags text); INSERT INTO people VALUES (7, 'a,b')`,
  },
  'a composite key with an id that is unique': {
    entity: TenantUser,
    sql: `CREATE TABLE people (tenant integer, id integer UNIQUE, name text, PRIMARY KEY (tenant, id));
          INSERT INTO people VALUES (1, 7, 'Ada'), (2, 8, 'Grace')`,
  },
  'embedded columns': {
    entity: HousedUser,
    sql: `CREATE TABLE people (id integer PRIMARY KEY, "homeAddressCity" text, "workCity" text);
          INSERT INTO people VALUES (7, NULL, 'London')`,
  },
  'a column with select: false': {
    entity: SecretUser,
    sql: `CREATE TABLE people (id integer PRIMARY KEY, password text); INSERT INTO people VALUES (7, 'secret')`,
  },
  'a primary key with select: false': {
    entity: SecretKeyUser,
    sql: `CREATE TABLE people (key integer PRIMARY KEY, id integer UNIQUE); INSERT INTO people VALUES (1, 7)`,
    reason: 'has a primary column with select: false',
  },
  'abstract base classes': {
    entity: DerivedUser,
    sql: `CREATE TABLE people (id integer PRIMARY KEY, name text, "createdAt" timestamptz(6));
          INSERT INTO people VALUES (7, 'Ada', '2026-01-01Z')`,
  },
  'table inheritance, as a child': {
    entity: Admin,
    entities: [Account, Guest],
    sql: `CREATE TABLE people (id integer PRIMARY KEY, name text, kind text, level integer, host text);
          INSERT INTO people VALUES (7, 'Ada', 'admin', 3, NULL), (8, 'Grace', 'guest', NULL, 'Ada')`,
    reason: 'is part of table inheritance',
  },
  'table inheritance, as the parent': {
    entity: Account,
    entities: [Admin, Guest],
    sql: `CREATE TABLE people (id integer PRIMARY KEY, name text, kind text, level integer, host text);
          INSERT INTO people VALUES (7, 'Ada', 'guest', NULL, 'Grace')`,
    reason: 'is part of table inheritance',
    made: Guest,
  },
  'a subscriber': {
    entity: WatchedUser,
    connection: { subscribers: [IdleSubscriber, NameSubscriber] },
    sql: `CREATE TABLE people (id integer PRIMARY KEY, name text); INSERT INTO people VALUES (7, 'QWRh')`,
    reason: 'has a subscriber with afterLoad(): NameSubscriber',
  },
  'subscribers to other events and entities': {
    entity: WatchedUser,
    entities: [Team, LazyUser],
    connection: { subscribers: [IdleSubscriber, TeamSubscriber] },
    sql: PEOPLE,
  },
  'a constructor with a parameter': {
    entity: ArguedUser,
    sql: PEOPLE,
    reason: 'has a constructor with parameters',
  },
  'a constructor that TypeORM does not call': {
    entity: SkippedUser,
    connection: { entitySkipConstructor: true },
    sql: PEOPLE,
    reason: 'is made without its constructor',
  },
  'initialized properties': { entity: DefaultedUser, sql: PEOPLE },
  'lazy relations': { entity: LazyUser, entities: [Team], sql: TEAMS, reason: 'has lazy relations' },
  'eager relations': { entity: EagerUser, entities: [Team, LazyUser], sql: TEAMS, reason: 'has eager relations' },
  'eager relations that TypeORM queries one by one': {
    entity: EagerUser,
    entities: [Team, LazyUser],
    connection: { relationLoadStrategy: 'query' },
    sql: TEAMS,
    reason: 'has eager relations',
  },
  'relations that are not loaded': { entity: RelatedUser, entities: [Team, LazyUser], sql: TEAMS },
  'ids of relations': {
    entity: RelationIdUser,
    entities: [Team, LazyUser],
    sql: TEAMS,
    reason: 'has ids of relations',
  },
  'virtual columns': {
    entity: VirtualUser,
    sql: `${TEAMS}; UPDATE teams SET name = 'Looms'`,
    reason: 'has virtual columns',
  },
  'a tree': {
    entity: TreeUser,
    sql: `CREATE TABLE people (id integer PRIMARY KEY, mpath text, "bossId" integer); INSERT INTO people VALUES (7, '7.')`,
    reason: 'is a tree',
  },
  'a spatial column': {
    entity: SpatialUser,
    connection: { installExtensions: false },
    // The extension is not installed here; this is all that TypeORM uses.
    sql: `CREATE DOMAIN geometry AS text;
          CREATE FUNCTION ST_AsGeoJSON(text) RETURNS text LANGUAGE sql AS $$ SELECT '{"type":"Point"}' $$;
          CREATE TABLE people (id integer PRIMARY KEY, place geometry); INSERT INTO people VALUES (7, '0101')`,
    reason: 'has spatial columns',
  },
  'a soft delete': {
    entity: SoftUser,
    sql: `CREATE TABLE people (id integer PRIMARY KEY, "deletedAt" timestamptz); INSERT INTO people VALUES (7, NULL)`,
  },
  'a naming strategy': {
    entity: CamelUser,
    property: 'userId',
    connection: { namingStrategy: new SnakeNaming() },
    sql: `CREATE TABLE camel_user (user_id integer PRIMARY KEY, full_name text); INSERT INTO camel_user VALUES (7, 'Ada')`,
  },
  'a prefix': {
    entity: IntegerUser,
    connection: {
      entityPrefix: 'acme_',
      migrations: sigraMigrations,
      migrationsRun: true,
      migrationsTableName: 'acme_m',
    },
    sql: `CREATE TABLE acme_people (id integer PRIMARY KEY, name text); INSERT INTO acme_people VALUES (7, 'Ada');
          CREATE TABLE people AS SELECT 7 AS id, 'Mallory' AS name`,
  },
  'a schema': {
    entity: IntegerUser,
    connection: { schema: 'My App', migrations: sigraMigrations, migrationsRun: true },
    sql: `CREATE SCHEMA "My App"; CREATE TABLE "My App".people (id integer PRIMARY KEY, name text);
          INSERT INTO "My App".people VALUES (7, 'Ada'); CREATE TABLE people AS SELECT 7 AS id, 'Mallory' AS name`,
  },
  'a unique id that is not its primary key': {
    entity: PublicIdUser,
    id: UUID,
    sql: `CREATE TABLE people (key integer PRIMARY KEY, id uuid); CREATE UNIQUE INDEX ON people (id);
          INSERT INTO people VALUES (1, '${UUID}')`,
  },
};

describe.each(Object.entries(KINDS))('users with %s', (_name, kind) => {
  const { entity, id = 7, property = 'id', reason, made = entity } = kind;
  const logger = new Announcements();
  let host: CustomUsersApp;

  const asTypeOrm = () => host.dataSource.getRepository(entity).findOneOrFail({ where: { [property]: id } });

  beforeAll(async () => {
    host = await startCustomUsersApp({
      users: { entity, id: property },
      entities: [entity, ...(kind.entities ?? [])],
      connection: kind.connection ?? {},
      sql: kind.sql,
      logger,
    });
  });
  afterAll(() => host.close());

  it(`are ${reason === undefined ? 'joined' : 'read by TypeORM'}, and the log says so`, () => {
    expect(logger.texts).toEqual(
      reason === undefined ? [] : [`Reads ${entity.name} with TypeORM, which is slower: it ${reason}`],
    );
  });

  it('equal those of TypeORM for an API token, a JWT and a session', async () => {
    const expected = await asTypeOrm();
    const { accessToken } = await host.jwt.generateTokens(expected, ['read:notes']);

    const users = [
      await host.userOf(expected),
      await host.userOf(id),
      await host.userBehind(accessToken),
      await host.userOfSession(String(id)),
    ];

    for (const user of users) {
      expect(user).toEqual(expected);
      expect(user).toBeInstanceOf(made);
      expect(Object.getPrototypeOf(user)).toBe(Object.getPrototypeOf(expected));
      expect(Reflect.ownKeys(user as object).sort()).toEqual(Reflect.ownKeys(expected).sort());
    }
    expect(new Set(users).size).toBe(4);
  });

  it('are found by every spelling of their id in a session, and by no other id', async () => {
    const expected = await asTypeOrm();

    const found = [];
    for (const spelling of kind.spellings ?? []) found.push(await host.userOfSession(spelling));
    const strangers = [];
    for (const stranger of [
      '0',
      '-1',
      '77',
      '2147483648',
      '07',
      '7.0',
      UUID.replace('3', '4'),
      "x' OR 1=1",
      'ADA@',
      '%',
    ]) {
      strangers.push(await host.userOfSession(stranger));
    }

    expect(found).toEqual(found.map(() => expected));
    expect(strangers).toEqual(strangers.map(() => 401));
  });
});
