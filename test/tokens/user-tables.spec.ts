import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  AfterLoad,
  Column,
  DeleteDateColumn,
  Entity,
  ManyToOne,
  OneToMany,
  PrimaryColumn,
  type Relation,
} from 'typeorm';
import { refusalOf } from '../support/refusal.js';
import { type CustomUsersApp, startCustomUsersApp } from '../support/custom-users-app.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };

class Address {
  @Column({ name: 'city', type: 'text' })
  city!: string;
}

@Entity('teams')
class Team {
  @PrimaryColumn('integer')
  id!: number;

  @OneToMany(() => Member, (member) => member.team)
  members!: Relation<Member>[];
}

/** A user as in a long-lived application: no column has the name of its property. */
@Entity({ name: 'Member List', schema: 'crm' })
class Member {
  @PrimaryColumn({
    name: 'member "no"',
    type: 'bigint',
    transformer: { from: (text: string) => BigInt(text), to: (value: bigint) => value.toString() },
  })
  id!: bigint;

  @Column({ name: 'display_name', type: 'text' })
  name!: string;

  @Column({
    name: 'tags',
    type: 'text',
    transformer: { from: (text: string) => text.split(','), to: (tags: string[]) => tags.join(',') },
  })
  tags!: string[];

  @Column({ name: 'plan', type: 'jsonb' })
  plan!: { seats: number };

  @Column({ name: 'joined', type: 'timestamptz' })
  joined!: Date;

  @Column({ name: 'pw', type: 'text', select: false })
  password?: string;

  @Column(() => Address, { prefix: 'addr_' })
  address!: Address;

  @ManyToOne(() => Team, (team) => team.members)
  team?: Relation<Team>;

  @DeleteDateColumn({ name: 'gone_at', type: 'timestamptz' })
  deletedAt!: Date | null;

  greeting!: string;

  @AfterLoad()
  greet(): void {
    this.greeting = `Hello, ${this.name}`;
  }

  farewell!: string;

  @AfterLoad()
  async part(): Promise<void> {
    await Promise.resolve();
    this.farewell = `Goodbye, ${this.name}`;
  }
}

const SQL = `
  CREATE SCHEMA crm;
  CREATE TABLE teams (id integer PRIMARY KEY);
  CREATE TABLE crm."Member List" (
    "member ""no""" bigint PRIMARY KEY, display_name text, tags text, plan jsonb, joined timestamptz, pw text,
    "addr_City" text, "teamId" integer REFERENCES teams, gone_at timestamptz);
  INSERT INTO teams VALUES (1);
  INSERT INTO crm."Member List" VALUES
    (7, 'Ada', 'a,b', '{"seats": 3}', '2026-01-01Z', 'secret', 'London', 1, NULL),
    (8, 'Grace', '', '{"seats": 0}', '2026-01-01Z', 'secret', 'New York', NULL, NULL);`;

describe('users in a table of another schema, with names, transformers and relations', () => {
  let host: CustomUsersApp;

  beforeAll(async () => {
    host = await startCustomUsersApp({ users: { entity: Member }, entities: [Member, Team], sql: SQL });
  });
  afterAll(() => host.close());

  it('equal the entities that TypeORM itself loads', async () => {
    const user = await host.userOf(7n);

    expect(user).toEqual(await host.dataSource.getRepository(Member).findOneByOrFail({ id: 7n }));
    expect(user).toBeInstanceOf(Member);
    expect(user).toMatchObject({
      id: 7n,
      name: 'Ada',
      tags: ['a', 'b'],
      plan: { seats: 3 },
      joined: new Date('2026-01-01Z'),
      address: { city: 'London' },
      deletedAt: null,
      farewell: 'Goodbye, Ada',
      greeting: 'Hello, Ada',
    });
  });

  it('have neither unselected columns nor relations', async () => {
    const user = await host.userOf(7n);

    expect(Object.keys(user as object)).not.toContain('password');
    expect(Object.keys(user as object)).not.toContain('team');
  });

  it('are accepted as objects', async () => {
    const ada = await host.dataSource.getRepository(Member).findOneByOrFail({ id: 7n });

    expect(await host.userOf(ada)).toEqual(ada);
  });

  it('are separate objects for every request', async () => {
    const { rawToken } = await host.tokens.create(7n, REQUEST);

    const hash = createHash('sha256').update(rawToken).digest('hex');

    const reads = jest.spyOn(host.database, 'read');
    const [one, other] = await Promise.all([host.repository.findWithOwner(hash), host.repository.findWithOwner(hash)]);
    const users = [one!.user, other!.user] as [Member, Member];

    // They share the read, and nothing that a handler gets.
    expect(reads).toHaveBeenCalledTimes(1);
    reads.mockRestore();
    expect(one!.record.token.scopes).not.toBe(other!.record.token.scopes);
    expect(users[0]).toEqual(users[1]);
    expect(users[0]).not.toBe(users[1]);
    expect(users[0].plan).not.toBe(users[1].plan);
    expect(users[0].joined).not.toBe(users[1].joined);
  });

  it('are refused after a soft delete from the next request on, and accepted after they are restored', async () => {
    const members = host.dataSource.getRepository(Member);
    const { rawToken } = await host.tokens.create(8n, REQUEST);

    await members.softDelete({ id: 8n });
    const deleted = await refusalOf(host.tokens.verify(rawToken));
    await members.restore({ id: 8n });

    expect(deleted).toBe('invalid_token');
    expect(await host.tokens.verify(rawToken)).toMatchObject({ ownerId: '8' });
  });

  it('are refused after their row is deleted', async () => {
    await host.dataSource.query(`INSERT INTO crm."Member List" SELECT 9, 'Linus', '', '{}', now(), '', '', NULL, NULL`);
    const { rawToken } = await host.tokens.create(9n, REQUEST);

    const before = await host.tokens.verify(rawToken);
    await host.dataSource.getRepository(Member).delete({ id: 9n });

    expect(before.ownerId).toBe('9');
    expect(await refusalOf(host.tokens.verify(rawToken))).toBe('invalid_token');
  });
});

@Entity('accounts')
class Account {
  @PrimaryColumn('text')
  id!: string;

  @Column({ name: 'state', type: 'text' })
  state!: string;
}

describe('users.isActive', () => {
  const verdicts: Record<string, unknown> = {
    yes: true,
    no: false,
    promise: Promise.resolve(true),
    one: 1,
    text: 'true',
    nothing: undefined,
  };
  let host: CustomUsersApp;

  beforeAll(async () => {
    host = await startCustomUsersApp({
      users: {
        entity: Account,
        isActive: ({ state }) => {
          if (state === 'throws') throw new Error('isActive failed');
          return verdicts[state] as boolean;
        },
      },
      entities: [Account],
      sql: `CREATE TABLE accounts (id text PRIMARY KEY, state text);
            INSERT INTO accounts SELECT state, state
            FROM unnest(ARRAY['yes','no','promise','one','text','nothing','throws']) AS state`,
    });
  });
  afterAll(() => host.close());

  it('accepts a user for whom it returns true', async () => {
    expect(await host.userOf('yes')).toEqual({ id: 'yes', state: 'yes' });
  });

  it.each(['no', 'promise', 'one', 'text', 'nothing'])(
    'refuses a user for whom it returns another value: %s',
    async (id) => {
      const { rawToken } = await host.tokens.create(id, REQUEST);

      expect(await refusalOf(host.tokens.verify(rawToken))).toBe('invalid_token');
      expect(await host.userBehind(rawToken)).toBe(401);
    },
  );

  it('is called for every verification', async () => {
    const { rawToken } = await host.tokens.create('yes', REQUEST);

    await host.dataSource.query(`UPDATE accounts SET state = 'no' WHERE id = 'yes'`);
    const refusal = await refusalOf(host.tokens.verify(rawToken));
    await host.dataSource.query(`UPDATE accounts SET state = 'yes' WHERE id = 'yes'`);

    expect(refusal).toBe('invalid_token');
    expect(await host.tokens.verify(rawToken)).toMatchObject({ ownerId: 'yes' });
  });

  it('refuses only its own request when it throws', async () => {
    const [bad, good] = [await host.tokens.create('throws', REQUEST), await host.tokens.create('yes', REQUEST)];

    const refused = host.tokens.verify(bad.rawToken).catch((error: unknown) => String(error));
    const accepted = host.tokens.verify(good.rawToken);

    expect(await refused).toBe('Error: isActive failed');
    expect(await accepted).toMatchObject({ ownerId: 'yes' });
  });
});
