import { Controller, Get, Module, UseGuards } from '@nestjs/common';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  AllowOwners,
  ApiTokenService,
  ApiTokenAdminService,
  type AnyPrincipal,
  CredentialService,
  CurrentPrincipal,
  CurrentUser,
  OptionalAuth,
  ownerRef,
  type Principal,
  sigraEntities,
  SigraAuthGuard,
  SigraModule,
  type SigraModuleOptions,
} from 'nestjs-sigra';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import { auditRows } from '../support/audit-rows.js';
import { Connection } from '../support/connection.js';
import type { TestDatabase } from '../support/database.js';
import { FORMATS, knoxToken } from '../support/foreign-tokens.js';
import { createMigratedDatabase } from '../support/migrated-database.js';
import { QueryLog } from '../support/query-log.js';
import { refusalOf } from '../support/refusal.js';

@Entity('people')
class Person {
  @PrimaryColumn('int')
  id!: number;

  @Column('text')
  name!: string;

  @Column('boolean')
  active!: boolean;
}

@Entity('organizations')
class Organization {
  @PrimaryColumn('int')
  id!: number;

  @Column('text')
  name!: string;

  @Column('boolean')
  active!: boolean;
}

const TABLES = `CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL, active boolean NOT NULL DEFAULT true);
  CREATE TABLE organizations (id int PRIMARY KEY, name text NOT NULL, active boolean NOT NULL DEFAULT true);
  INSERT INTO people VALUES (1, 'Ada'), (2, 'Grace'), (3, 'Mallory');
  INSERT INTO organizations VALUES (1, 'Acme'), (2, 'Globex'), (3, 'Initech'), (4, 'Hooli'), (5, 'Umbrella'), (6, 'Stark')`;
const ROBOTS = {
  findByIds: (ids: readonly string[]) => Promise.resolve(ids.filter((id) => id.startsWith('r')).map((id) => ({ id }))),
};
const REQUEST = { name: 'CI', scopes: ['read:notes'] };
const KEY = { 'idempotency-key': 'a-key-of-many-characters' };

function view(principal: AnyPrincipal | undefined, user: unknown) {
  return {
    owner: principal?.owner && { type: principal.owner.type, id: principal.owner.id },
    name: (principal?.owner?.entity as Organization | undefined)?.name,
    userId: principal?.userId,
    user,
  };
}

@Controller('users-only')
@UseGuards(SigraAuthGuard)
class UsersController {
  @Get()
  get(@CurrentPrincipal() principal: Principal, @CurrentUser('name') user: unknown) {
    return view(principal, user);
  }

  @Get('optional')
  @OptionalAuth()
  optional() {
    return {};
  }
}

@Controller('organizations')
@UseGuards(SigraAuthGuard)
@AllowOwners('organization')
class OrganizationController {
  @Get()
  get(@CurrentPrincipal() principal: AnyPrincipal, @CurrentUser() user: unknown) {
    return view(principal, user);
  }

  @Get('all')
  @AllowOwners('user', 'organization', 'robot')
  all(@CurrentPrincipal() principal: AnyPrincipal, @CurrentUser('name') user: unknown) {
    return view(principal, user);
  }
}

@Controller('inherited')
class InheritingController extends OrganizationController {
  override all(principal: AnyPrincipal, user: unknown) {
    return super.all(principal, user);
  }
}

interface Answer {
  readonly status: number;
  readonly body: Record<string, never>;
}

/** The ids of the organizations that `canManage` was asked about. */
const asked: string[] = [];
const OPTIONS = {
  users: { entity: Person, isActive: ({ active }: Person) => active },
  owners: {
    organization: { entity: Organization, isActive: ({ active }: Organization) => active },
    robot: { provider: ROBOTS, scopes: () => ['read:notes'] },
  },
  canManage: ({ userId }: Principal, { type, id }: { type: string; id: string }) => {
    asked.push(id);
    if (id === '6') throw new Error('the database of the host is down');
    return type === 'organization' && userId === '1' && id !== '2';
  },
  apiTokens: { scopes: ['read:notes', 'write:notes'], foreignFormats: FORMATS },
  session: { userId: (request: { headers: Record<string, unknown> }) => request.headers['x-user'] as string },
} as unknown as SigraModuleOptions;

async function boot(url: string, options: Partial<SigraModuleOptions> = {}, controllers = CONTROLLERS) {
  const connection = new Connection(url, { entities: [Person, Organization, ...sigraEntities] });
  @Module({
    imports: [
      connection.module,
      SigraModule.forRoot({
        ...OPTIONS,
        ...options,
        controllers: { tokens: 'tokens', owners: 'tokens/owners' },
      }),
    ],
    controllers,
  })
  class AppModule {}
  const builder = Test.createTestingModule({ imports: [AppModule] });
  const app = (await builder.compile()).createNestApplication<NestExpressApplication>(new ExpressAdapter(), {
    logger: false,
  });
  await app.listen(0, '127.0.0.1');
  return app;
}

const CONTROLLERS = [UsersController, OrganizationController, InheritingController];

describe('owners of several kinds', () => {
  let database: TestDatabase;
  let app: NestExpressApplication;
  let url: string;
  let tokens: ApiTokenService;
  let dataSource: DataSource;

  beforeAll(async () => {
    database = await createMigratedDatabase();
    app = await bootWithTables();
    url = await app.getUrl();
    tokens = app.get(ApiTokenService);
    dataSource = app.get(DataSource);
  });
  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  const bootWithTables = async () => {
    const setup = await new DataSource({ type: 'postgres', url: database.url }).initialize();
    await setup.query(TABLES);
    await setup.destroy();
    return boot(database.url);
  };
  const send = async (
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: object,
  ): Promise<Answer> => {
    const answer = await fetch(`${url}/${path}`, {
      method,
      headers: { ...headers, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: (text === '' ? {} : JSON.parse(text)) as Answer['body'] };
  };
  const get = (path: string, rawToken: string) => send('GET', path, { authorization: `Bearer ${rawToken}` });
  const organization = (id: number) => ownerRef('organization', id);
  const tokenOf = async (owner: Parameters<ApiTokenService['create']>[0]) =>
    (await tokens.create(owner, REQUEST)).rawToken;
  const setActive = (table: string, id: number, active: boolean) =>
    dataSource.query(`UPDATE ${table} SET active = $2 WHERE id = $1`, [id, active]);

  describe('a principal', () => {
    it('has its owner, and a user only for users', async () => {
      const [user, org, robot] = [
        await tokenOf(1),
        await tokenOf(organization(1)),
        await tokenOf(ownerRef('robot', 'r1')),
      ];

      expect((await get('organizations/all', user)).body).toEqual({
        owner: { type: 'user', id: '1' },
        name: 'Ada',
        userId: '1',
        user: 'Ada',
      });
      expect((await get('organizations/all', org)).body).toEqual({
        owner: { type: 'organization', id: '1' },
        name: 'Acme',
      });
      expect((await get('organizations/all', robot)).body).toEqual({ owner: { type: 'robot', id: 'r1' } });
    });

    it('is refused where the handler does not expect its owner', async () => {
      const [user, org, robot] = [
        await tokenOf(1),
        await tokenOf(organization(1)),
        await tokenOf(ownerRef('robot', 'r1')),
      ];
      const refused = { status: 403, body: expect.objectContaining({ error: 'owner_not_allowed' }) };

      expect(await get('users-only', org)).toMatchObject(refused);
      expect(await get('users-only/optional', org)).toMatchObject(refused);
      expect(await get('tokens', org)).toMatchObject(refused);
      expect(await get('organizations', user)).toMatchObject(refused);
      expect(await get('organizations', robot)).toMatchObject(refused);
      expect((await get('users-only', user)).status).toBe(200);
    });

    it('keeps the rule of a base class in a subclass', async () => {
      const [user, org] = [await tokenOf(1), await tokenOf(organization(1))];

      expect((await get('inherited', org)).status).toBe(200);
      expect((await get('inherited', user)).status).toBe(403);
    });

    it('is refused by verify() unless the call names the type', async () => {
      const org = await tokenOf(organization(1));

      expect(await refusalOf(tokens.verify(org))).toBe('owner_not_allowed');
      expect(await tokens.verify(org, {}, { owners: ['organization'] })).toMatchObject({ ownerId: '1' });
    });
  });

  it('reads a token and its owner with one query, whatever its type', async () => {
    const [user, org] = [await tokenOf(1), await tokenOf(organization(1))];
    const log = QueryLog.of(dataSource);

    const answers = [(await get('organizations/all', user)).status, (await get('organizations/all', org)).status];

    expect(answers).toEqual([200, 200]);
    expect(log.queries).toHaveLength(2);
  });

  it('refuses tokens of an inactive organization at the next request', async () => {
    const org = await tokenOf(organization(2));

    await setActive('organizations', 2, false);
    expect((await get('organizations', org)).status).toBe(401);

    await setActive('organizations', 2, true);
    expect((await get('organizations', org)).status).toBe(200);
  });

  it('keeps organization 1 and user 1 apart', async () => {
    const [user, org] = [await tokenOf(1), await tokenOf(organization(3))];
    const third = await tokenOf(3);

    expect(await tokens.revokeAll(organization(3))).toBe(1);
    expect((await get('organizations', org)).status).toBe(401);
    expect((await get('users-only', third)).status).toBe(200);

    const later = await tokenOf(organization(3));
    await app.get(CredentialService).lockOut(3);
    expect((await get('users-only', third)).status).toBe(401);
    expect((await get('organizations', later)).status).toBe(200);

    await app.get(CredentialService).lockOut(organization(3));
    expect((await get('organizations', later)).status).toBe(401);
    expect((await get('users-only', user)).status).toBe(200);
    const listed = await tokens.listActive(organization(1));
    expect(listed.tokens.every(({ ownerType }) => ownerType === 'organization')).toBe(true);
  });

  it('does not take a reference to an organization for a user', async () => {
    await expect(tokens.create(ownerRef('nobody', 1), REQUEST)).rejects.toThrow('is not a type of owners');
    const { token } = await tokens.create(organization(1), REQUEST);

    expect(await refusalOf(tokens.revokeForUser(1, token.id))).toBe('not_found');
    expect(await tokens.revokeForUser(organization(1), token.id)).toMatchObject({ id: token.id });
  });

  it('finds tokens of all types by their id', async () => {
    const { token } = await tokens.create(organization(1), REQUEST);

    const { token: rotated } = await tokens.rotate(token.id);
    expect(rotated).toMatchObject({ ownerType: 'organization', ownerId: '1' });
    expect(await tokens.revoke(rotated.id)).toMatchObject({ ownerType: 'organization' });
  });

  it('imports hashed tokens of all types', async () => {
    const sample = knoxToken();
    const rowOf = (id: number) => ({ ...REQUEST, format: 'knox', hash: sample.hash, owner: organization(id) });

    expect(await refusalOf(tokens.importHashed([rowOf(99)]))).toBe('invalid_import');
    expect(await tokens.importHashed([rowOf(1)])).toEqual({ imported: 1, skipped: [] });
    expect((await get('organizations', sample.raw)).body).toMatchObject({ owner: { type: 'organization', id: '1' } });
    expect((await get('users-only', sample.raw)).status).toBe(403);
  });

  it('lets administrators search one type, and read and revoke by id in all types', async () => {
    const admin = app.get(ApiTokenAdminService);
    const { token } = await tokens.create(organization(1), { ...REQUEST, name: 'Sought' });
    const filter = { ownerType: 'organization', name: 'Sought' };

    expect((await admin.search({ name: 'Sought' })).tokens).toEqual([]);
    expect((await admin.search(filter)).tokens).toMatchObject([{ token: { id: token.id } }]);
    expect(await admin.find(token.id)).toMatchObject({ token: { ownerType: 'organization' } });
    expect(await refusalOf(admin.search({ ownerType: 'unknown' }))).toBe('invalid_filter');
    expect(await refusalOf(admin.previewMatching({ ownerType: 'organization' }))).toBe('invalid_filter');
    const { digest } = await admin.previewMatching(filter);
    expect(await admin.revokeMatching(filter, digest)).toMatchObject({ revoked: 1, remaining: 0 });
    expect(await admin.revoke(token.id)).toMatchObject({ id: token.id });
  });

  it('limits scopes by the ceiling of the type', async () => {
    const create = tokens.create(ownerRef('robot', 'r1'), { name: 'CI', scopes: ['write:notes'] });

    expect(await refusalOf(create)).toBe('insufficient_scope');
  });

  describe('the controller', () => {
    const ada = { 'x-user': '1', 'sec-fetch-site': 'same-origin' };
    const mallory = { 'x-user': '3', 'sec-fetch-site': 'same-origin' };

    it('serves the tokens of an organization to a user who can manage it', async () => {
      const made = await send('POST', 'tokens/owners/organization/4', ada, REQUEST);
      const { rawToken, token } = made.body as unknown as { rawToken: string; token: { id: string } };
      const path = `tokens/owners/organization/4/${token.id}`;

      expect(made).toMatchObject({ status: 201, body: { token: { creator: { type: 'user', id: '1' } } } });
      expect((await get('organizations', rawToken)).body).toMatchObject({ owner: { type: 'organization', id: '4' } });
      expect((await send('GET', 'tokens/owners/organization/4', ada)).body).toMatchObject({
        tokens: [{ id: token.id, creator: { type: 'user', id: '1' } }],
      });
      expect((await send('PATCH', path, ada, { name: 'Deploy' })).body).toMatchObject({ token: { name: 'Deploy' } });
      const rotated = await send('POST', `${path}/rotate`, ada, {});
      expect(rotated).toMatchObject({ status: 201, body: { token: { creator: { type: 'user', id: '1' } } } });
      expect((await send('DELETE', 'tokens/owners/organization/4', ada)).body).toEqual({ revoked: 1 });
      expect((await send('DELETE', path, ada)).status).toBe(204);

      const [row] = await auditRows(dataSource, token.id);
      expect(row).toMatchObject({
        actor_type: 'user',
        actor_id: '1',
        metadata: expect.objectContaining({ ownerType: 'organization', ownerId: '4' }),
      });
      expect((row as unknown as { metadata: object }).metadata).not.toHaveProperty('userId');
    });

    it('answers 404 for what the user cannot manage, and 500 when the application fails', async () => {
      const statusOf = async (path: string, who: Record<string, string>) => (await send('GET', path, who)).status;

      expect(await statusOf('tokens/owners/organization/4', mallory)).toBe(404);
      expect(await statusOf('tokens/owners/organization/2', ada)).toBe(404);
      expect(await statusOf('tokens/owners/user/1', ada)).toBe(404);
      expect(await statusOf('tokens/owners/nobody/1', ada)).toBe(404);
      expect(await statusOf('tokens/owners/organization/6', ada)).toBe(500);
      expect(await statusOf('tokens/owners/organization/4', {})).toBe(401);
    });

    it.each(['01', '+1', '1.0', '1e0', '0x1', '-0', '2147483648', '99999999999999999999', 'acme', '1 '])(
      'answers 404 for the id "%s", which no organization can have, and does not ask canManage',
      async (id) => {
        const path = `tokens/owners/organization/${encodeURIComponent(id)}`;
        asked.length = 0;

        const answers = [await send('GET', path, ada), await send('POST', path, ada, REQUEST)];

        expect(answers.map(({ status }) => status)).toEqual([404, 404]);
        expect(asked).toEqual([]);
      },
    );

    it('grants no scope that the maker does not hold, and ends what its token made', async () => {
      const { rawToken, token } = await tokens.create(1, { name: 'Maker', scopes: ['read:notes', 'api_tokens:write'] });
      const bearer = { authorization: `Bearer ${rawToken}` };
      const path = 'tokens/owners/organization/5';

      const wider = await send('POST', path, bearer, { name: 'CI', scopes: ['write:notes'] });
      expect(wider).toMatchObject({ status: 403, body: { error: 'insufficient_scope' } });
      const made = await send('POST', path, { ...bearer, ...KEY }, REQUEST);
      const again = await send('POST', path, { ...bearer, ...KEY }, REQUEST);
      const raw = (made.body as unknown as { rawToken: string }).rawToken;
      expect(again.body).toMatchObject({ rawToken: raw });
      expect((await get('organizations', raw)).status).toBe(200);

      await tokens.revoke(token.id);

      expect((await get('organizations', raw)).status).toBe(401);
    });

    it('limits what a limited token makes and manages to its resources', async () => {
      const { rawToken } = await tokens.create(1, {
        name: 'Limited',
        scopes: ['read:notes', 'api_tokens:read', 'api_tokens:write'],
        resources: ['note:1'],
      });
      const bearer = { authorization: `Bearer ${rawToken}` };
      const path = 'tokens/owners/organization/5';
      const { token } = await tokens.create(organization(5), REQUEST);

      const made = await send('POST', path, bearer, REQUEST);
      const wider = await send('POST', path, bearer, { ...REQUEST, resources: ['note:2'] });
      const listed = await send('GET', path, bearer);

      expect(made).toMatchObject({ status: 201, body: { token: { resources: ['note:1'] } } });
      expect(wider).toMatchObject({ status: 400, body: { error: 'invalid_resources' } });
      expect(JSON.stringify(listed.body)).not.toContain(token.id);
      for (const target of [path, `${path}/${token.id}`]) {
        const refused = await send('DELETE', target, bearer);
        expect(refused).toMatchObject({ status: 403, body: { error: 'resource_not_allowed' } });
      }
    });

    it('repeats a rotation for its owner only', async () => {
      const { token } = await tokens.create(organization(1), REQUEST);
      const headers = { ...ada, ...KEY };
      const rotate = (path: string) => send('POST', `${path}/${token.id}/rotate`, headers, {});

      const rotated = await rotate('tokens/owners/organization/1');

      expect(rotated.status).toBe(201);
      expect(await rotate('tokens/owners/organization/1')).toEqual(rotated);
      expect((await rotate('tokens')).status).toBe(404);
    });

    it('lets tokens of an organization outlive the activity of the user who made them', async () => {
      const made = await send('POST', 'tokens/owners/organization/5', ada, REQUEST);
      const raw = (made.body as unknown as { rawToken: string }).rawToken;

      await setActive('people', 1, false);
      const refused = await send('POST', 'tokens/owners/organization/5', ada, REQUEST);
      const used = await get('organizations', raw);
      await setActive('people', 1, true);

      expect(refused.status).toBe(401);
      expect(used.status).toBe(200);
    });
  });

  describe('at boot', () => {
    it('refuses a type that is that of the users, and invalid types', async () => {
      const owners = { user: { entity: Organization } };
      await expect(boot(database.url, { owners })).rejects.toThrow('owners.user has the value of users.type');
      await expect(boot(database.url, { owners: { 'not a type': { entity: Organization } } })).rejects.toThrow(
        'owners has',
      );
    });

    it('refuses a handler that allows an unknown type', async () => {
      @Controller('unknown')
      @UseGuards(SigraAuthGuard)
      class UnknownController {
        @Get()
        @AllowOwners('organisation')
        get() {
          return {};
        }
      }

      await expect(boot(database.url, {}, [UnknownController] as never)).rejects.toThrow(
        'allows owners of the type organisation, which is not in owners',
      );
    });

    it('refuses a handler that names types without a guard', async () => {
      @Controller('open')
      class OpenController {
        @Get()
        @AllowOwners('organization')
        get() {
          return {};
        }
      }

      await expect(boot(database.url, {}, [OpenController] as never)).rejects.toThrow(
        'allows types of owners, but no guard',
      );
    });

    it('refuses a type that belongs to other owners in this database', async () => {
      const owners = { organization: { entity: Person } };

      await expect(boot(database.url, { owners, routes: 'off' })).rejects.toThrow('owners.organization');
    });
  });
});
