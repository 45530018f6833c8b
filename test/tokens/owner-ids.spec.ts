import { describe, expect, it } from '@jest/globals';
import type { Type } from '@nestjs/common';
import { Column, Entity, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';
import { refusalOf } from '../support/refusal.js';
import { type CustomUsersApp, startCustomUsersApp } from '../support/custom-users-app.js';

@Entity('people')
class UuidUser {
  @PrimaryGeneratedColumn('uuid')
  id!: string;
}

@Entity('people')
class SerialUser {
  @PrimaryGeneratedColumn()
  id!: number;
}

@Entity('people')
class SmallUser {
  @PrimaryColumn('smallint')
  id!: number;
}

@Entity('people')
class BigUser {
  @PrimaryColumn('bigint')
  id!: string;
}

@Entity('people')
class TextUser {
  @PrimaryColumn('text')
  id!: string;
}

@Entity('people')
class VarcharUser {
  @PrimaryColumn({ length: 64 })
  id!: string;
}

@Entity('people')
class PublicIdUser {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column({ name: 'public_id', type: 'uuid' })
  publicId!: string;
}

const UUID = '3f0c0a52-6a1c-4f5c-9d8e-1b2a3c4d5e6f';

interface Kind {
  readonly entity: Type<object>;
  readonly column: string;
  /** Existing ids, as the host's own queries return them. */
  readonly ids: readonly unknown[];
  /** Unknown ids that could make a cast or a comparison in SQL fail. */
  readonly strangers: readonly (string | number | bigint)[];
}

const KINDS: Readonly<Record<string, Kind>> = {
  uuid: {
    entity: UuidUser,
    column: 'uuid',
    ids: [UUID],
    strangers: ['0', 'x', UUID.slice(1), `${UUID}0`, `{${UUID}}`, `${UUID}\n`, UUID.replaceAll('-', ''), 42],
  },
  integer: {
    entity: SerialUser,
    column: 'integer',
    ids: [1, 2_147_483_647, 0, -5],
    strangers: ['x', UUID, '01', '+1', ' 1', '1\n', '1.0', '1e0', '0x1', '-0', 2_147_483_648, 2n ** 63n, 2n ** 200n],
  },
  smallint: { entity: SmallUser, column: 'smallint', ids: [7], strangers: ['7.0', 'seven', 65_543, 2n ** 64n] },
  bigint: {
    entity: BigUser,
    column: 'bigint',
    ids: ['1', '999999999999999999', '9223372036854775807', '-9223372036854775808'],
    strangers: ['x', UUID, '01', 2n ** 63n, -(2n ** 63n) - 1n, '1.5'],
  },
  text: {
    entity: TextUser,
    column: 'text',
    ids: ['auth0|42', 'ü\u{1f511}', "'; --", '\\', '%', ' x '],
    strangers: ['auth0|43', 'AUTH0|42', 'x', 'ü', '_'],
  },
  varchar: {
    entity: VarcharUser,
    column: 'varchar(64)',
    ids: ['ada', 'a'.repeat(64)],
    strangers: ['a'.repeat(65), 'Ada'],
  },
};

describe.each(Object.entries(KINDS))('users with ids of type %s', (_type, { entity, column, ids, strangers }) => {
  const withHost = async (check: (host: CustomUsersApp) => Promise<void>) => {
    const host = await startCustomUsersApp({
      users: { entity },
      entities: [entity],
      sql: `CREATE TABLE people (id ${column} PRIMARY KEY)`,
    });
    for (const id of ids) await host.dataSource.query('INSERT INTO people VALUES ($1)', [id]);
    await check(host).finally(() => host.close());
  };

  it('are found by their tokens, given as objects or as ids', () =>
    withHost(async (host) => {
      const found = [];
      for (const id of ids) found.push(await host.userOf({ id }), await host.userOf(id as string));

      expect(found).toEqual(ids.flatMap((id) => [{ id }, { id }]));
      for (const user of found) expect(user).toBeInstanceOf(entity);
    }));

  it('are distinguished from unknown ids, without an error for other callers', () =>
    withHost(async (host) => {
      const request = { name: 'CI', scopes: ['read:notes'] };
      const good = await host.tokens.create({ id: ids[0] }, request);
      const bad = await Promise.all(strangers.map((id) => host.tokens.create(id, request)));

      const verification = host.tokens.verify(good.rawToken);
      const refusals = await Promise.all(bad.map(({ rawToken }) => refusalOf(host.tokens.verify(rawToken))));

      expect(await verification).toMatchObject({ id: good.token.id });
      expect(new Set(refusals)).toEqual(new Set(['invalid_token']));
    }));
});

describe('users whose id property has another name', () => {
  it('are found by it although it is not the primary key', async () => {
    const host = await startCustomUsersApp({
      users: { entity: PublicIdUser, id: 'publicId' },
      entities: [PublicIdUser],
      sql: `CREATE TABLE people (id serial PRIMARY KEY, public_id uuid UNIQUE);
            INSERT INTO people (public_id) VALUES ('${UUID}')`,
    });

    const { token, rawToken } = await host.tokens.create(
      { id: 1, publicId: UUID },
      { name: 'CI', scopes: ['read:notes'] },
    );
    const [user, stranger] = [await host.userBehind(rawToken), await host.userOf('1')];
    await host.close();

    expect(token.ownerId).toBe(UUID);
    expect(user).toEqual({ id: 1, publicId: UUID });
    expect(stranger).toBe(401);
  });
});

describe('one UUID in several spellings', () => {
  it('is one user', async () => {
    const host = await startCustomUsersApp({
      users: { entity: UuidUser },
      entities: [UuidUser],
      sql: `CREATE TABLE people (id uuid PRIMARY KEY); INSERT INTO people VALUES ('${UUID}')`,
    });
    const request = { name: 'CI', scopes: ['read:notes'] };
    const lower = await host.tokens.create(UUID, request);
    const upper = await host.tokens.create(UUID.toUpperCase(), request);

    const { tokens } = await host.tokens.listActive(UUID.toUpperCase());
    const revoked = await host.tokens.revokeAll({ id: UUID.toUpperCase() });
    const refusals = await Promise.all([lower, upper].map(({ rawToken }) => refusalOf(host.tokens.verify(rawToken))));
    await host.close();

    expect(tokens.map(({ id }) => id).sort()).toEqual([lower.token.id, upper.token.id].sort());
    expect(revoked).toBe(2);
    expect(refusals).toEqual(['token_revoked', 'token_revoked']);
  });
});
