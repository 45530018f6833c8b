import { Controller, Get, Module, type Type } from '@nestjs/common';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  ApiTokenService,
  CredentialService,
  CurrentPrincipal,
  type Principal,
  sigraEntities,
  SigraAuthGuard,
  SigraJwtService,
  SigraModule,
  type TokenPair,
  type UserProvider,
} from 'nestjs-sigra';
import { UseGuards } from '@nestjs/common';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import { Connection } from '../support/connection.js';
import type { TestDatabase } from '../support/database.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { eventually } from '../support/eventually.js';
import { familyIdOf } from '../support/jwt-app.js';
import { createMigratedDatabase } from '../support/migrated-database.js';
import { refusalOf } from '../support/refusal.js';

@Entity('customers')
class Customer {
  @PrimaryColumn('int')
  id!: number;

  @Column('text')
  name!: string;
}

@Entity('admins')
class Admin {
  @PrimaryColumn('int')
  id!: number;

  @Column('text')
  name!: string;
}

const TABLES = `CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
  CREATE TABLE admins (id int PRIMARY KEY, name text NOT NULL);
  INSERT INTO customers VALUES (1, 'customer'); INSERT INTO admins VALUES (1, 'admin')`;
const JWT = {
  enabled: true,
  issuer: 'https://issuer.example',
  secret: 'a secret of at least thirty-two bytes',
} as const;

interface Side {
  readonly app: NestExpressApplication;
  readonly url: string;
  readonly tokens: ApiTokenService;
  readonly jwt: SigraJwtService;
}

async function start(
  database: { readonly url: string },
  users: Type<Customer> | UserProvider<Customer>,
  type: string,
  check: 'epoch' | 'stateless' | 'family',
  { id = 'id', imports = [] }: { readonly id?: 'id' | 'name' | undefined; readonly imports?: Type<object>[] } = {},
): Promise<Side> {
  const isEntity = typeof users === 'function';
  const connection = new Connection(database.url, { entities: [...(isEntity ? [users] : []), ...sigraEntities] });

  @Controller('me')
  @UseGuards(SigraAuthGuard)
  class MeController {
    @Get()
    me(@CurrentPrincipal() { user, userId }: Principal) {
      return { userId, name: (user as Customer).name };
    }
  }

  @Module({
    imports: [
      connection.module,
      ...imports,
      SigraModule.forRoot<Customer>({
        users: isEntity ? { entity: users, id, type } : { provider: users, type },
        apiTokens: { scopes: ['read:notes', 'oauth:introspect'] },
        session: { userId: (request) => request.headers['x-session-user'] as string | undefined },
        jwt: { ...JWT, check },
        cleanup: { schedule: false },
        lookupTimeout: 30_000,
        controllers: { tokens: 'api/tokens', oauth: 'oauth', jwt: 'api/jwt' },
      }),
    ],
    controllers: [MeController],
  })
  class AppModule {}

  try {
    const module = await Test.createTestingModule({ imports: [AppModule] }).compile();
    const app = module.createNestApplication<NestExpressApplication>(new ExpressAdapter());
    app.useLogger(false);
    await app.listen(0, '127.0.0.1');
    return { app, url: await app.getUrl(), tokens: app.get(ApiTokenService), jwt: app.get(SigraJwtService) };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

describe.each(['epoch', 'family', 'stateless'] as const)(
  'Two kinds of owners with the same ids, tables, prefix and key, with the check %s',
  (check) => {
    let database: TestDatabase;
    let customers: Side;
    let admins: Side;
    let raw: string;
    let tokenId: string;
    let pair: TokenPair;

    beforeAll(async () => {
      database = await createMigratedDatabase(TABLES);
      customers = await start(database, Customer, 'customer', check);
      admins = await start(database, Admin, 'admin', check);
      const issued = await customers.tokens.create(1, { name: 'CI', scopes: ['*'] });
      [raw, tokenId] = [issued.rawToken, issued.token.id];
      pair = await customers.jwt.generateTokens(1, ['*']);
    });
    afterAll(async () => {
      await customers.app.close();
      await admins.app.close();
      await database.drop();
    });

    const send = async (
      side: Side,
      method: string,
      path: string,
      credential: string,
      form?: Record<string, string>,
    ) => {
      const answer = await fetch(side.url + path, {
        method,
        headers: { authorization: `Bearer ${credential}` },
        ...(form && { body: new URLSearchParams(form) }),
      });
      return answer.status;
    };

    it('each credential works on its own side', async () => {
      expect(await send(customers, 'GET', '/me', raw)).toBe(200);
      expect(await send(customers, 'GET', '/me', pair.accessToken)).toBe(200);
    });

    it('no credential of one side is accepted on the other, on any route', async () => {
      const routes = [
        ['GET', '/me'],
        ['GET', '/api/tokens'],
        ['POST', '/api/tokens'],
        ['DELETE', '/api/tokens'],
        ['DELETE', `/api/tokens/${tokenId}`],
        ['POST', `/api/tokens/${tokenId}/rotate`],
        ['POST', '/api/jwt'],
        ['GET', '/api/jwt'],
        ['DELETE', '/api/jwt'],
        ['DELETE', `/api/jwt/${familyIdOf(pair)}`],
        ['POST', '/oauth/introspect'],
      ] as const;

      for (const credential of [raw, pair.accessToken]) {
        const statuses = await Promise.all(routes.map(([method, path]) => send(admins, method, path, credential)));
        expect(statuses).toEqual(routes.map(() => 401));
      }
    });

    it('a session of one side neither sees nor ends the sign-ins of the other', async () => {
      const own = await admins.jwt.generateTokens(1, ['*']);
      const inSession = async (method: string, path: string) => {
        const answer = await fetch(admins.url + path, { method, headers: { 'x-session-user': '1' } });
        return { status: answer.status, body: JSON.parse((await answer.text()) || 'null') as unknown };
      };

      const listed = await inSession('GET', '/api/jwt');
      const foreign = await inSession('DELETE', `/api/jwt/${familyIdOf(pair)}`);
      const all = await inSession('DELETE', '/api/jwt');

      expect(listed.body).toMatchObject({ families: [{ id: familyIdOf(own) }], nextCursor: null });
      expect(foreign).toMatchObject({ status: 404, body: { error: 'not_found' } });
      expect(all.body).toEqual({ revoked: 1 });
      expect(await refusalOf(admins.jwt.refresh(own.refreshToken))).toBe('token_revoked');
      expect((await customers.jwt.listFamilies(1)).families.map(({ id }) => id)).toEqual([familyIdOf(pair)]);
      expect((await customers.jwt.verifyAccess(pair.accessToken)).sub).toBe('1');
    });

    it('services of one side do not find what belongs to the other', async () => {
      expect(await refusalOf(admins.tokens.verify(raw))).toBe('invalid_token');
      expect(await refusalOf(admins.tokens.revoke(tokenId))).toBe('not_found');
      expect(await refusalOf(admins.tokens.revokeForUser(1, tokenId))).toBe('not_found');
      expect(await refusalOf(admins.tokens.rotate(tokenId))).toBe('not_found');
      expect(await admins.tokens.listActive(1)).toEqual({ tokens: [], nextCursor: null });
      expect(await refusalOf(admins.jwt.verifyAccess(pair.accessToken))).toBe('invalid_token');
      expect(await refusalOf(admins.jwt.refresh(pair.refreshToken))).toBe('invalid_token');
      expect(await refusalOf(admins.jwt.revokeRefresh(pair.refreshToken))).toBe('invalid_token');
      expect((await admins.jwt.listFamilies(1)).families).toEqual([]);
    });

    it('the OAuth endpoints of one side neither refresh, revoke nor introspect tokens of the other', async () => {
      const { rawToken: introspector } = await admins.tokens.create(1, { name: 'I', scopes: ['oauth:introspect'] });
      const post = async (path: string, form: Record<string, string>, headers: Record<string, string> = {}) => {
        const answer = await fetch(admins.url + path, { method: 'POST', headers, body: new URLSearchParams(form) });
        return [answer.status, await answer.json()];
      };
      const refresh = { grant_type: 'refresh_token', refresh_token: pair.refreshToken };
      const authorization = `Bearer ${introspector}`;

      expect(await post('/oauth/token', refresh)).toMatchObject([400, { error: 'invalid_grant' }]);
      for (const token of [raw, pair.refreshToken]) {
        await post('/oauth/revoke', { token });
        expect(await post('/oauth/introspect', { token }, { authorization })).toEqual([200, { active: false }]);
      }
      expect(await send(customers, 'GET', '/me', raw)).toBe(200);
      expect((await customers.jwt.listFamilies(1)).families.length).toBeGreaterThan(0);
    });

    it('ending all credentials on one side leaves those of the other', async () => {
      await admins.tokens.revokeAll(1);
      await admins.jwt.signOutEverywhere(1);
      await admins.app.get(CredentialService).lockOut(1);
      await admins.app.get(CredentialService).forget(1);

      expect((await customers.tokens.verify(raw)).id).toBe(tokenId);
      expect((await customers.jwt.verifyAccess(pair.accessToken)).sub).toBe('1');
      expect(await customers.jwt.refresh(pair.refreshToken)).toBeDefined();
    });
  },
);

describe('Two modules on the same tables', () => {
  let database: TestDatabase;
  const apps: NestExpressApplication[] = [];

  beforeEach(async () => {
    database = await createMigratedDatabase(TABLES);
  });
  afterEach(async () => {
    await closeAll();
    await database.drop();
  });

  const boot = async (users: Type<Customer> | UserProvider<Customer>, id?: 'id' | 'name') => {
    const { app } = await start(database, users, 'user', 'epoch', { id });
    apps.push(app);
  };
  const closeAll = async () => {
    for (const app of apps.splice(0)) await app.close();
  };
  const run = async (sql: string) => {
    const dataSource = await new DataSource({ type: 'postgres', url: database.url }).initialize();
    await dataSource.query(sql);
    await dataSource.destroy();
  };
  const providerOf = (name: string): UserProvider<Customer> => ({
    findByIds: (ids) => Promise.resolve(ids.map((id) => ({ id: Number(id), name }))),
  });

  it('do not boot with the same type and the users of different tables, also after the first has ended', async () => {
    await boot(Customer);

    await expect(boot(Admin)).rejects.toThrow(
      'sigra: users.type is "user" for the ids in "public"."admins"."id", but belongs to "public"."customers"."id" in this ' +
        'database; give one of them another type, such as "user_2"',
    );
    await boot(Customer);
    await closeAll();
    await expect(boot(Admin)).rejects.toThrow('users.type');
  });

  it('do not boot with the same type and different ids of the same users', async () => {
    await run('ALTER TABLE customers ADD UNIQUE (name)');
    await boot(Customer);

    await expect(boot(Customer, 'name')).rejects.toThrow('"public"."customers"."name", but belongs to');
  });

  it('do not boot with the same type and different providers in one process', async () => {
    const customers = providerOf('customer');
    await boot(customers);

    await expect(boot(providerOf('admin'))).rejects.toThrow(
      'users.type is "user" in two modules on the same tables, with different users; give one of them another type',
    );
    await boot(customers);
    await closeAll();
    await boot(providerOf('admin'));
    expect(apps).toHaveLength(1);
  });

  it('boot without the right to write, and do not with the type of other users', async () => {
    const readOnly = { url: `${database.url}?options=-c%20default_transaction_read_only%3Don` };
    const bootReadOnly = async (entity: Type<Customer>) => {
      apps.push((await start(readOnly, entity, 'user', 'epoch')).app);
    };
    await bootReadOnly(Customer);
    await closeAll();
    await boot(Customer);
    await bootReadOnly(Customer);

    await expect(bootReadOnly(Admin)).rejects.toThrow('users.type');
    await closeAll();
    await expect(bootReadOnly(Admin)).rejects.toThrow('but belongs to "public"."customers"."id"');
  });

  it('boot after a rename that leaves a view with the old name', async () => {
    await boot(Customer);
    await closeAll();

    await run(
      'DROP TABLE admins; ALTER TABLE customers RENAME TO admins; CREATE VIEW customers AS SELECT * FROM admins',
    );
    await boot(Admin);

    expect(apps).toHaveLength(1);
  });

  it('refuse everything once the database can say that the type has other users, if it could not at boot', async () => {
    await boot(providerOf('customer'));
    const proxy = await DatabaseProxy.start(database.url);
    @Module({})
    class Outage {
      async onModuleInit() {
        await proxy.cut();
      }
    }
    const late = await start(proxy, providerOf('admin'), 'user', 'epoch', { imports: [Outage] });
    apps.push(late.app);

    await proxy.mend();

    await eventually(() =>
      late.tokens.listActive(1).then(
        () => false,
        (error: unknown) => String(error).includes('sigra: users.type is "user" in two modules on the same tables'),
      ),
    );
    await proxy.stop();
  });

  it('boot after the table of the users, or the column of their ids, was renamed', async () => {
    await boot(Customer);
    await closeAll();

    await run('DROP TABLE admins; ALTER TABLE customers RENAME TO admins');
    await boot(Admin);
    await closeAll();
    await run('ALTER TABLE admins RENAME id TO key; ALTER TABLE admins ADD UNIQUE (name)');
    await boot(Admin, 'name');

    expect(apps).toHaveLength(1);
  });
});
