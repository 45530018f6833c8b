import { Controller, Get, Module, type Type } from '@nestjs/common';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
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
} from 'nestjs-sigra';
import { UseGuards } from '@nestjs/common';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import { Connection } from '../support/connection.js';
import type { TestDatabase } from '../support/database.js';
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
  database: TestDatabase,
  entity: Type<Customer>,
  type: string,
  check: 'epoch' | 'stateless' | 'family',
): Promise<Side> {
  const connection = new Connection(database.url, { entities: [entity, ...sigraEntities] });

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
      SigraModule.forRoot<Customer>({
        users: { entity, type },
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
        ['POST', '/oauth/introspect'],
      ] as const;

      for (const credential of [raw, pair.accessToken]) {
        const statuses = await Promise.all(routes.map(([method, path]) => send(admins, method, path, credential)));
        expect(statuses).toEqual(routes.map(() => 401));
      }
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
      expect(await admins.jwt.listFamilies(1)).toEqual([]);
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
      expect((await customers.jwt.listFamilies(1)).length).toBeGreaterThan(0);
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

  beforeAll(async () => {
    database = await createMigratedDatabase(TABLES);
  });
  afterAll(() => database.drop());

  it('do not boot with the same type and different users, and boot after the first has ended', async () => {
    const first = await start(database, Customer, 'user', 'epoch');

    await expect(start(database, Admin, 'user', 'epoch')).rejects.toThrow(
      'users.type is "user" in two modules on the same tables, with different users; give one of them another type',
    );
    const same = await start(database, Customer, 'user', 'epoch');
    await first.app.close();
    await expect(start(database, Admin, 'user', 'epoch')).rejects.toThrow('users.type');
    await same.app.close();
    const second = await start(database, Admin, 'user', 'epoch');

    expect(second.url).toMatch(/^http/);
    await second.app.close();
  });
});
