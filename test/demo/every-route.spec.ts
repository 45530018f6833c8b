import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type INestApplication, RequestMethod } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { MetadataScanner, ModulesContainer } from '@nestjs/core';
import { ApiTokenService, type OwnerReference, ownerRef, SigraJwtService } from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import { createApp } from '../../apps/demo/src/create-app.js';
import { prepareDatabase } from '../../apps/demo/src/database/prepare-database.js';
import { deriveJwtSecret, jwtOptions } from '../../apps/demo/src/jwt/jwt-settings.js';
import { Organization } from '../../apps/demo/src/organizations/organization.entities.js';
import { Project } from '../../apps/demo/src/projects/project.entity.js';
import { User } from '../../apps/demo/src/users/user.entity.js';
import type { TestDatabase } from '../support/database.js';
import { createDemoDatabase } from '../support/demo.js';
import { familyIdOf } from '../support/jwt-app.js';
import { ADAPTERS } from '../support/test-app.js';
import { unknownToken } from '../support/unknown-token.js';

jest.setTimeout(120_000);

const SCOPES = [
  'read:projects',
  'write:projects',
  'admin',
  'api_tokens:read',
  'api_tokens:write',
  'api_tokens:admin',
  'oauth:introspect',
  'sessions:read',
  'sessions:write',
] as const;
/** Two more kinds of API token, with the scope `read:projects`. */
const LIMITED = 'token of one project';
const ORGANIZATION_TOKEN = 'token of an organization';
const JWT = { secret: undefined, check: 'family', accessTtl: 900, reuseLeeway: 0 } as const;

/** The kinds of credential that each route is called with. The names of scopes stand for API tokens with only this scope. */
const KINDS = [
  'none',
  'session',
  'session from another site',
  'session of another user',
  ...SCOPES,
  'token of all scopes',
  LIMITED,
  ORGANIZATION_TOKEN,
  'revoked token',
  'expired token',
  'unknown token',
  'token in the query',
  'JWT',
  'JWT of a revoked family',
  'Basic',
] as const;

type Kind = (typeof KINDS)[number];
type Answers = Readonly<Record<Kind, string>>;

const DEAD = ['revoked token', 'expired token', 'unknown token', 'JWT of a revoked family'] as const;
const GOOD = [...SCOPES, 'token of all scopes', LIMITED, ORGANIZATION_TOKEN, 'JWT'] as const;
const LOGIN = '303 to the login';

function answers(otherwise: string, ...groups: readonly (readonly [readonly Kind[], string])[]): Answers {
  const all = new Map<Kind, string>(KINDS.map((kind) => [kind, otherwise]));
  for (const [kinds, status] of groups) for (const kind of kinds) all.set(kind, status);
  return Object.fromEntries(all) as Answers;
}

/** Needs no credential, and reads none. */
const open = (status: string, fromElsewhere = status) =>
  answers(status, [['session from another site'], fromElsewhere]);

/** Accepts every credential that has the scopes. */
function api(status: string, scopes: readonly Kind[], fromElsewhere = status, ofAnother = status): Answers {
  return answers(
    '401',
    [GOOD, '403'],
    [['session', 'token of all scopes', 'JWT', ...scopes], status],
    [['session from another site'], fromElsewhere],
    [['session of another user'], ofAnother],
    [['token in the query'], '400'],
  );
}

/** `api` with another status for a token of one project and for one of an organization. */
const except = (base: Answers, limited: string, ofOrganization: string): Answers => ({
  ...base,
  [LIMITED]: limited,
  [ORGANIZATION_TOKEN]: ofOrganization,
});

/** Accepts sessions only, and sends everyone else to the login. */
function page(status: string, fromElsewhere = status, ofAnother = status): Answers {
  return answers(
    LOGIN,
    [['session'], status],
    [['session from another site'], fromElsewhere],
    [['session of another user'], ofAnother],
    [[ORGANIZATION_TOKEN], '403'],
    [['token in the query'], '400'],
  );
}

/** A page that is there for all, and says who is signed in. */
const optional = (status: string, signedIn: string) =>
  answers(
    status,
    [['session', 'session from another site', 'session of another user', ...GOOD], signedIn],
    [DEAD, LOGIN],
    [[ORGANIZATION_TOKEN], '403'],
    [['token in the query'], '400'],
  );

/** OAuth endpoints for public clients ignore bearer credentials and sessions, and check client credentials. */
const publicClient = (status: string) => answers(status, [['Basic'], '401']);

interface Row {
  readonly answers: Answers;
  /** @default the path of the route */
  readonly path?: string;
  readonly json?: object;
  readonly form?: Readonly<Record<string, string>>;
}

const SIGN_IN = { email: 'ada@example.com', password: 'sigra-demo' };
const UNKNOWN = 'sigra_rt_unknown';

/**
 * `:id` stands for a project of Ada, or for a token or a family with the scope `read:projects`: of Ada, or of the organization
 * that `:ownerId` stands for.
 */
const TABLE: Readonly<Record<string, Row>> = {
  'GET /.well-known/jwks.json': { answers: open('200') },
  'GET /assets/:name': { answers: open('200'), path: '/assets/pages.css' },
  'GET /docs-json': { answers: open('200') },
  'GET /health': { answers: open('200') },
  'GET /metrics': { answers: open('200') },
  'POST /login': { answers: open('303', '403'), form: SIGN_IN },
  'POST /logout': { answers: open(LOGIN, '403') },
  'POST /session': { answers: open('204', '403'), json: SIGN_IN },
  'DELETE /session': { answers: open('204', '403') },

  'GET /': { answers: optional('200', '200') },
  'GET /docs': { answers: optional('200', '200') },
  'GET /login': { answers: optional('200', '303') },

  'GET /api/me': { answers: except(api('200', SCOPES), '200', '403') },
  'GET /api/scopes': { answers: except(api('200', SCOPES), '200', '403') },
  'GET /api/projects': { answers: except(api('200', ['read:projects']), '200', '200') },
  // A project of Ada that the limited token does not name: for the organization, it does not exist.
  'GET /api/projects/:id': { answers: except(api('200', ['read:projects'], '200', '404'), '403', '404') },
  'POST /api/projects': { answers: api('201', ['write:projects'], '403'), json: { name: 'Engine' } },
  // Only Ada is an administrator.
  'GET /api/admin/stats': { answers: api('200', ['admin'], '200', '403') },
  'GET /api/admin/tokens': { answers: api('200', ['api_tokens:admin'], '200', '403') },
  'GET /api/admin/tokens/:id': { answers: api('200', ['api_tokens:admin'], '200', '403') },
  'POST /api/admin/tokens/lookup': {
    answers: api('404', ['api_tokens:admin'], '403', '403'),
    json: { rawToken: 'unknown' },
  },
  // A revocation needs the scopes of the token, too.
  'DELETE /api/admin/tokens/:id': { answers: api('204', [], '403', '403') },
  'POST /api/admin/tokens/revoke': {
    answers: api('200', ['api_tokens:admin'], '403', '403'),
    json: { filter: { name: 'CI' }, dryRun: true },
  },
  'GET /api/tokens': { answers: api('200', ['api_tokens:read']) },
  'POST /api/tokens': {
    answers: api('201', ['api_tokens:write'], '403'),
    json: { name: 'CI', scopes: ['api_tokens:write'] },
  },
  // A change of a token needs its scopes, too.
  'DELETE /api/tokens': { answers: api('200', [], '403') },
  'DELETE /api/tokens/:id': { answers: api('204', [], '403', '404') },
  'PATCH /api/tokens/:id': { answers: api('200', [], '403', '404'), json: {} },
  'POST /api/tokens/:id/rotate': { answers: api('201', [], '403', '404') },

  // Ada is an owner of the organization, and Grace is a member. A token of Ada needs the same scopes as for her own.
  'GET /api/tokens/owners/:ownerType/:ownerId': { answers: api('200', ['api_tokens:read'], '200', '404') },
  'POST /api/tokens/owners/:ownerType/:ownerId': {
    answers: api('201', ['api_tokens:write'], '403', '404'),
    json: { name: 'CI', scopes: ['api_tokens:write'] },
  },
  'DELETE /api/tokens/owners/:ownerType/:ownerId': { answers: api('200', [], '403', '404') },
  'DELETE /api/tokens/owners/:ownerType/:ownerId/:id': { answers: api('204', [], '403', '404') },
  'PATCH /api/tokens/owners/:ownerType/:ownerId/:id': { answers: api('200', [], '403', '404'), json: {} },
  'POST /api/tokens/owners/:ownerType/:ownerId/:id/rotate': { answers: api('201', [], '403', '404') },

  'POST /api/jwt': {
    answers: answers(
      '401',
      [['session', 'session of another user'], '200'],
      [['session from another site', ORGANIZATION_TOKEN], '403'],
      [['token in the query'], '400'],
    ),
    json: { scopes: ['read:projects'] },
  },
  'GET /api/jwt': { answers: api('200', ['sessions:read']) },
  // To end a family needs its scopes, too.
  'DELETE /api/jwt': { answers: api('200', [], '403') },
  'DELETE /api/jwt/:id': { answers: api('204', [], '403', '404') },
  'POST /oauth/token': {
    answers: publicClient('400'),
    form: { grant_type: 'refresh_token', refresh_token: UNKNOWN },
  },
  'POST /oauth/revoke': { answers: publicClient('200'), form: { token: UNKNOWN } },
  'POST /oauth/introspect': {
    answers: {
      ...api('200', ['oauth:introspect']),
      session: '401',
      'session from another site': '401',
      'session of another user': '401',
    },
    form: { token: UNKNOWN },
  },

  // Ada is an owner of the organization, and Grace is a member.
  'GET /organization': { answers: page('200') },
  'GET /settings/audit': { answers: page('200') },
  'GET /settings/metrics': { answers: page('200') },
  'GET /settings/devices/sign-out-everywhere': { answers: page('200') },
  'POST /settings/devices/sign-out-everywhere': { answers: page('303', '403') },
  'POST /settings/devices/:id/sign-out': { answers: page('303', '403') },
  'GET /settings/tokens': { answers: page('200') },
};

describe.each(ADAPTERS)('Every route of the demo on %s', (adapter) => {
  let database: TestDatabase;
  let app: INestApplication<Server>;
  let url: string;
  let users: { ada: User; grace: User };
  let projects: Project[];
  let organizationId: string;
  const cookies: Record<string, string> = {};

  beforeAll(async () => {
    database = await createDemoDatabase();
    const jwt = jwtOptions(JWT, deriveJwtSecret(await prepareDatabase(database.url)));
    app = await createApp({ databaseUrl: database.url, jwt }, adapter);
    await app.listen(0, '127.0.0.1');
    url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
    const find = (email: string) => app.get(DataSource).manager.findOneByOrFail(User, { email });
    users = { ada: await find('ada@example.com'), grace: await find('grace@example.com') };
    const { manager } = app.get(DataSource);
    projects = await manager.findBy(Project, { ownerId: users.ada.id });
    organizationId = (await manager.findOneByOrFail(Organization, {})).id;
  });
  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  it('is in the table', () => {
    const known = Object.keys(TABLE).filter((route) => route !== 'GET /docs-json');

    expect(routesOf(app)).toEqual(known.sort());
  });

  if (adapter === 'express') {
    it('is in the table, also when no controller has it', () => {
      expect(routesOfExpress(app)).toEqual(Object.keys(TABLE).sort());
    });
  }

  it.each(KINDS)('has the status of the table: %s', async (kind) => {
    const found: Record<string, string> = {};
    for (const [route, row] of Object.entries(TABLE)) found[route] = await call(route, row, kind);

    const expected = Object.entries(TABLE).map(([route, { answers }]) => [route, answers[kind]]);
    expect(found).toEqual(Object.fromEntries(expected));
  });

  async function call(route: string, { path, json, form }: Row, kind: Kind): Promise<string> {
    const [method, pattern] = route.split(' ') as [string, string];
    const addressed = pattern.replace(':ownerType/:ownerId', `organization/${organizationId}`);
    const target = pattern.includes(':id') ? addressed.replace(':id', await idFor(pattern)) : (path ?? addressed);
    const { headers, query = '' } = await present(kind);
    const answer = await fetch(`${url}${target}${query}`, {
      method,
      redirect: 'manual',
      headers: { ...headers, ...(json && { 'content-type': 'application/json' }) },
      ...(json && { body: JSON.stringify(json) }),
      ...(form && { body: new URLSearchParams(form) }),
    });
    await answer.body?.cancel();
    const isLogin = answer.headers.get('location')?.startsWith('/login') === true;
    return `${answer.status}${isLogin ? ' to the login' : ''}`;
  }

  /** Of a project, or of a family or a token that nothing else uses. */
  async function idFor(pattern: string): Promise<string> {
    if (pattern.includes('/projects/')) return projects[0]!.id;
    if (/\/owners\/|\/organization\//.test(pattern)) return (await issue(['read:projects'], ofOrganization())).id;
    const isFamily = pattern.includes('devices') || pattern.includes('/jwt/');
    return isFamily ? familyIdOf(await signIn(['read:projects'])) : (await issue(['read:projects'])).id;
  }

  async function present(kind: Kind): Promise<{ headers: Record<string, string>; query?: string }> {
    const bearer = (credential: string) => ({ headers: { authorization: `Bearer ${credential}` } });
    switch (kind) {
      case 'none':
        return { headers: {} };
      case 'session':
        return { headers: { cookie: await sessionOf('ada') } };
      case 'session of another user':
        return { headers: { cookie: await sessionOf('grace') } };
      case 'session from another site':
        return {
          headers: { cookie: await sessionOf('ada'), origin: 'https://a.example', 'sec-fetch-site': 'cross-site' },
        };
      case 'token of all scopes':
        return bearer((await issue(['*'])).rawToken);
      case LIMITED:
        return bearer((await issue(['read:projects'], users.ada, [`project:${projects[1]!.id}`])).rawToken);
      case ORGANIZATION_TOKEN:
        return bearer((await issue(['read:projects'], ofOrganization())).rawToken);
      case 'revoked token': {
        const { id, rawToken } = await issue(['*']);
        await app.get(ApiTokenService).revoke(id);
        return bearer(rawToken);
      }
      case 'expired token': {
        const { id, rawToken } = await issue(['*']);
        await app.get(DataSource).query('UPDATE sigra_api_tokens SET expires_at = now() WHERE id = $1', [id]);
        return bearer(rawToken);
      }
      case 'unknown token':
        return bearer(unknownToken());
      case 'token in the query':
        return { headers: {}, query: `?access_token=${(await issue(['*'])).rawToken}` };
      case 'JWT':
        return bearer((await signIn()).accessToken);
      case 'JWT of a revoked family': {
        const { accessToken, refreshToken } = await signIn();
        await app.get(SigraJwtService).revokeRefresh(refreshToken);
        return bearer(accessToken);
      }
      case 'Basic':
        return { headers: { authorization: 'Basic YWRhOnNpZ3Jh' } };
      default:
        return bearer((await issue([kind])).rawToken);
    }
  }

  async function issue(
    scopes: string[],
    owner: User | OwnerReference = users.ada,
    resources?: string[],
  ): Promise<{ id: string; rawToken: string }> {
    const { token, rawToken } = await app.get(ApiTokenService).create(owner, { name: 'CI', scopes, resources });
    return { id: token.id, rawToken };
  }

  function ofOrganization(): OwnerReference {
    return ownerRef('organization', organizationId);
  }

  function signIn(scopes = ['*']) {
    return app.get(SigraJwtService).generateTokens(users.ada, scopes);
  }

  /** A session that has not ended: some routes sign out. */
  async function sessionOf(name: 'ada' | 'grace'): Promise<string> {
    const cookie = cookies[name];
    if (cookie !== undefined && (await fetch(`${url}/api/me`, { headers: { cookie } })).status === 200) return cookie;
    const answer = await fetch(`${url}/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: `${name}@example.com`, password: 'sigra-demo' }),
    });
    return (cookies[name] = answer.headers.getSetCookie()[0]!.split(';')[0]!);
  }
});

/** The routes of all controllers, as the router of Nest finds them. */
function routesOf(app: INestApplication): string[] {
  const scanner = new MetadataScanner();
  const controllers = [...app.get(ModulesContainer).values()].flatMap((module) => [...module.controllers.values()]);
  return controllers
    .flatMap(({ metatype }) => {
      const prototype = (metatype as { prototype: Record<string, object> }).prototype;
      return scanner.getAllMethodNames(prototype).flatMap((name) => {
        const handler = prototype[name]!;
        const method = Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined;
        if (method === undefined) return [];
        const paths = (target: object) => [Reflect.getMetadata(PATH_METADATA, target) as string | string[]].flat();
        return paths(metatype as object).flatMap((prefix) =>
          paths(handler).map(
            (path) => `${RequestMethod[method]} ${`/${prefix}/${path}`.replace(/\/+/g, '/').replace(/(.)\/$/, '$1')}`,
          ),
        );
      });
    })
    .sort();
}

/** The routes of the framework itself, which include those that no controller has. */
function routesOfExpress(app: INestApplication): string[] {
  const { router } = app.getHttpAdapter().getInstance() as {
    router: { stack: { route?: { path: string; methods: Record<string, boolean> } }[] };
  };
  return router.stack
    .flatMap(({ route }) => Object.keys(route?.methods ?? {}).map((method) => `${method.toUpperCase()} ${route!.path}`))
    .sort();
}
