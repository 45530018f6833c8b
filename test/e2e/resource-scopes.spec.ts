import { Controller, Get, Param, Query } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type AuditEvent,
  AuditService,
  can,
  type CreateApiToken,
  CurrentPrincipal,
  type Principal,
  RequireScopes,
  requireScopes,
  type ResourceFinder,
} from 'nestjs-sigra';
import { answerOf } from '../support/answers.js';
import { ADAPTERS, SIGRA_OPTIONS, startTestApp, type TestApp } from '../support/test-app.js';
import { TokenClient } from '../support/token-client.js';

interface NoteRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
}

const asked: string[] = [];
const noteOf: ResourceFinder = (context) => {
  const { id } = context.switchToHttp().getRequest<NoteRequest>().params;
  asked.push(String(id));
  return `note:${id}`;
};
const fromQuery: ResourceFinder = (context) =>
  context.switchToHttp().getRequest<NoteRequest>().query.resource as string;

@Controller('limited')
class LimitedController {
  @Get('note/:id')
  @RequireScopes('read:notes', { resource: noteOf })
  note(@Param('id') id: string) {
    return { id };
  }

  @Get('several')
  @RequireScopes('read:notes', { resource: async () => Promise.resolve(['note:1', 'folder:2']) })
  several() {
    return {};
  }

  @Get('raw')
  @RequireScopes('read:notes', { resource: fromQuery })
  raw() {
    return {};
  }

  @Get('throws')
  @RequireScopes('read:notes', {
    resource: () => {
      throw new TypeError('a detail of the application');
    },
  })
  throws() {
    return {};
  }

  @Get('rejects')
  @RequireScopes('read:notes', { resource: () => Promise.reject(new Error('a detail of the application')) })
  rejects() {
    return {};
  }

  @Get('unnamed')
  @RequireScopes('read:notes')
  unnamed() {
    return {};
  }

  @Get('filtered')
  @RequireScopes({ any: ['read:notes', 'admin'], resource: 'filtered' })
  filtered(@CurrentPrincipal() { resources }: Principal) {
    return { resources: resources ?? 'all' };
  }

  @Get('without')
  without(@CurrentPrincipal() principal: Principal, @Query('resource') resource: string) {
    return { can: can(principal, ['read:notes'], { resource }) };
  }

  @Get('in-code')
  inCode(@CurrentPrincipal() principal: Principal, @Query('resource') resource: string) {
    requireScopes(principal, 'read:notes', { resource });
    return {};
  }
}

@Controller('class')
@RequireScopes('read:notes')
class MethodsController {
  @Get('note/:id')
  @RequireScopes('write:notes', { resource: noteOf })
  note() {
    return {};
  }

  @Get('unnamed')
  @RequireScopes('write:notes')
  unnamed() {
    return {};
  }
}

@Controller('tree/:id')
@RequireScopes('read:notes', { resource: noteOf })
class TreeController {
  @Get('plain')
  plain() {
    return {};
  }

  @Get('inner')
  @RequireScopes('read:notes', { resource: () => 'folder:2' })
  inner() {
    return {};
  }

  @Get('filtered')
  @RequireScopes('read:notes', { resource: 'filtered' })
  filtered() {
    return {};
  }
}

@Controller('subclass/:id')
class SubclassController extends TreeController {
  @Get('plain')
  override plain() {
    return {};
  }
}

const OTHER = {
  status: 403,
  body: { statusCode: 403, error: 'resource_not_allowed', message: 'The credential is limited to other resources.' },
};
const UNNAMED = {
  status: 403,
  body: {
    ...OTHER.body,
    message: 'The credential is limited to resources, and this request names none.',
  },
};

describe.each(ADAPTERS)('Scopes that are limited to resources, on %s', (adapter) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp({
      adapter,
      controllers: [LimitedController, MethodsController, TreeController, SubclassController],
      sigra: {
        apiTokens: SIGRA_OPTIONS.apiTokens,
        credentials: {
          resolve: ({ headers }) => {
            const resources = headers['x-resources'];
            if (typeof resources !== 'string') return undefined;
            return { userId: test.user.id, scopes: ['*'], resources: resources === '' ? [] : resources.split(' ') };
          },
        },
      },
    });
  });
  afterAll(() => test.close());

  const create = (resources: readonly string[] | null, more: Partial<CreateApiToken> = {}) =>
    test.tokens.create(test.user, { name: 'CI', scopes: ['*'], resources, ...more });
  const get = async (path: string, rawToken: string) =>
    answerOf(await fetch(`${test.url}${path}`, { headers: { authorization: `Bearer ${rawToken}` } }));
  const answers = async (resources: readonly string[] | null, ...paths: readonly string[]) => {
    const { rawToken } = await create(resources);
    const all = [];
    for (const path of paths) {
      const { status, body } = await get(path, rawToken);
      all.push(status === 200 ? { status } : { status, body });
    }
    return all;
  };
  const OK = { status: 200 };

  it('are held for the resource that the route names, and for no other', async () => {
    const paths = ['/limited/note/1', '/limited/note/2', '/limited/note/A', '/limited/note/a', '/limited/note/*'];

    expect(await answers(['note:1', 'note:A'], ...paths)).toEqual([OK, OTHER, OK, OTHER, OTHER]);
    expect(await answers(['note:*'], ...paths)).toEqual([OK, OK, OK, OK, OK]);
    expect(await answers(null, ...paths)).toEqual([OK, OK, OK, OK, OK]);
  });

  it('say in the header that no scope helps', async () => {
    const { rawToken } = await create(['note:1']);

    const { headers } = await fetch(`${test.url}/limited/note/2`, { headers: { authorization: `Bearer ${rawToken}` } });

    expect(headers.get('www-authenticate')).toBe(
      'Bearer realm="api", error="insufficient_scope", error_description="The credential is limited to other resources."',
    );
  });

  it('are held for several resources only together', async () => {
    expect(await answers(['note:1', 'folder:2'], '/limited/several')).toEqual([OK]);
    expect(await answers(['note:1'], '/limited/several')).toEqual([OTHER]);
  });

  it.each(['', 'filtered', '*', 'note', 'note:', 'note:1%0A', 'NOTE:1', 'note:1,note:2'])(
    'are not held for %j, which is not a resource of the token',
    async (value) => {
      expect(await answers(['note:1', 'note:2'], `/limited/raw?resource=${value}`)).toEqual([OTHER]);
    },
  );

  it('are not held when the function throws, rejects or returns nothing', async () => {
    const paths = ['/limited/throws', '/limited/rejects', '/limited/raw'];

    expect(await answers(['note:1'], ...paths)).toEqual([OTHER, OTHER, OTHER]);
    expect(await answers(null, ...paths)).toEqual([OK, OK, OK]);
  });

  it('ask the function for limited credentials only, and after the scopes', async () => {
    asked.length = 0;
    await answers(null, '/limited/note/7');
    const { rawToken } = await create(['note:7'], { scopes: ['admin'] });

    const { status, body } = await get('/limited/note/7', rawToken);

    expect([status, body]).toEqual([403, expect.objectContaining({ error: 'insufficient_scope' })]);
    expect(asked).toEqual([]);
  });

  it('refuse a limited token where a route requires scopes and names no resource', async () => {
    expect(await answers(['note:1'], '/limited/unnamed', '/class/unnamed', '/notes/me')).toEqual([
      UNNAMED,
      UNNAMED,
      OK,
    ]);
    expect(await answers(null, '/limited/unnamed', '/class/unnamed')).toEqual([OK, OK]);
  });

  it('leave it to the handler where the route says so', async () => {
    const [limited, all] = [await create(['note:1']), await create(null)];

    expect(await get('/limited/filtered', limited.rawToken)).toMatchObject({ body: { resources: ['note:1'] } });
    expect(await get('/limited/filtered', all.rawToken)).toMatchObject({ body: { resources: 'all' } });
  });

  it('apply the resources of a method to the scopes of its class, and add up', async () => {
    const paths = ['/class/note/1', '/class/note/2', '/tree/1/plain', '/tree/1/inner', '/tree/2/filtered'];

    expect(await answers(['note:1'], ...paths)).toEqual([OK, OTHER, OK, OTHER, OTHER]);
    expect(await answers(['note:1', 'folder:2'], '/tree/1/inner', '/tree/2/inner')).toEqual([OK, OTHER]);
  });

  it('keep the resources of a base class in a method that is declared anew', async () => {
    expect(await answers(['note:1'], '/subclass/1/plain', '/subclass/2/plain')).toEqual([OK, OTHER]);
  });

  it('are held in code for the resources that it names', async () => {
    const { rawToken } = await create(['note:1']);

    expect(await get('/limited/in-code?resource=note:1', rawToken)).toMatchObject(OK);
    expect(await get('/limited/in-code?resource=note:2', rawToken)).toMatchObject(OTHER);
    expect(await get('/limited/in-code', rawToken)).toMatchObject(UNNAMED);
    expect(await get('/limited/without?resource=note:1', rawToken)).toMatchObject({ body: { can: true } });
    expect(await get('/limited/without?resource=filtered', rawToken)).toMatchObject({ body: { can: false } });
  });

  it('are refused by the next request after they became narrower', async () => {
    const { rawToken, token } = await create(['note:1', 'note:2']);
    await get('/limited/note/2', rawToken);

    await test.tokens.update(token.id, { resources: ['note:1'] });

    expect(await get('/limited/note/1', rawToken)).toMatchObject(OK);
    expect(await get('/limited/note/2', rawToken)).toMatchObject(OTHER);
  });

  it('are stated by a credential of the application, and sessions hold all', async () => {
    const ask = async (headers: Record<string, string>) =>
      (await fetch(`${test.url}/limited/note/1`, { headers })).status;

    expect(await ask({ 'x-resources': 'note:1' })).toBe(200);
    expect(await ask({ 'x-resources': 'note:2' })).toBe(403);
    expect(await ask({ 'x-resources': '' })).toBe(403);
    expect(await ask({ 'x-resources': 'all notes' })).toBe(500);
    expect(await ask({ 'x-session-user': test.user.id })).toBe(200);
  });

  it('fail while the class is defined for a resource that is neither a function nor filtered', () => {
    const decorate = RequireScopes as (...given: unknown[]) => unknown;

    for (const resource of [undefined, null, 'note:1', ['note:1'], {}]) {
      expect(() => decorate('read:notes', { resource })).toThrow('resource of @RequireScopes() is a function');
    }
    expect(() => decorate('read:notes', { resources: noteOf })).toThrow('@RequireScopes() has no option "resources"');
    expect(() => decorate({ resource: noteOf })).toThrow('needs 1 to 256 scopes');
  });

  describe('and the ready-made controller', () => {
    const clientOf = async (resources: readonly string[]) =>
      TokenClient.withToken(test, (await create(resources)).rawToken);

    it('creates, lists, changes and rotates tokens with their resources', async () => {
      const page = TokenClient.inSession(test, (await test.addUser(`grace-${adapter}@example.com`)).id);

      const created = await page.create({
        name: 'CI',
        scopes: ['read:notes'],
        resources: ['note:1', 'note:2', 'note:1'],
      });
      const listed = await page.list();
      const changed = await page.update(created.body.token.id, { resources: ['note:1'] });
      const rotated = await page.rotate(created.body.token.id);

      expect(created.body.token.resources).toEqual(['note:1', 'note:2']);
      expect(listed.body.tokens).toEqual([created.body.token]);
      expect(changed.body.token.resources).toEqual(['note:1']);
      expect(rotated.body.token.resources).toEqual(['note:1']);
      const { events } = await test.get(AuditService).query({ targetId: created.body.token.id });
      const changes = events.map(({ action, metadata }: AuditEvent) => [action, metadata]);
      expect(changes).toContainEqual([
        'api.token_create',
        expect.objectContaining({ resources: ['note:1', 'note:2'] }),
      ]);
      expect(changes).toContainEqual([
        'api.token_update',
        expect.objectContaining({ before: { resources: ['note:1', 'note:2'] }, after: { resources: ['note:1'] } }),
      ]);
    });

    it('refuses resources that are invalid', async () => {
      const page = TokenClient.inSession(test);
      const { token } = await create(null);

      for (const resources of ['note:1', [], ['*'], [1], Array.from({ length: 101 }, (_, index) => `note:${index}`)]) {
        const refusals = [
          await page.create({ name: 'CI', scopes: ['read:notes'], resources }),
          await page.update(token.id, { resources }),
        ];
        expect(refusals.map(({ status, body }) => [status, body.error])).toEqual([
          [400, 'invalid_resources'],
          [400, 'invalid_resources'],
        ]);
      }
    });

    it('shows a limited token only tokens within its limit', async () => {
      const owner = await test.addUser(`list-${adapter}@example.com`);
      const add = (name: string, resources: readonly string[] | null) =>
        test.tokens.create(owner, { name, scopes: ['*'], resources });
      await add('all', null);
      const self = await add('self', ['note:*', 'folder:1']);
      await add('within', ['note:1', 'folder:1']);
      await add('beyond', ['note:1', 'folder:2']);
      await add('beside', ['notes:1']);
      await add('wildcard', ['folder:*']);
      const client = TokenClient.withToken(test, self.rawToken);

      const names = async (query?: string) => (await client.list(query)).body.tokens.map(({ name }) => name);

      expect(await names()).toEqual(['self', 'within']);
      const { nextCursor } = (await client.list('?limit=1')).body;
      expect(await names(`?limit=1&cursor=${String(nextCursor)}`)).toEqual(['within']);
    });

    it('lets a limited token make and manage only tokens within its limit', async () => {
      const client = await clientOf(['note:1', 'note:2']);
      const [all, wider, within] = [await create(null), await create(['note:1', 'note:3']), await create(['note:1'])];
      const outcome = ({ status, body }: { status: number; body: { error?: string } | null }) => [status, body?.error];

      for (const { token } of [all, wider]) {
        expect(outcome(await client.update(token.id, { name: 'x' }))).toEqual([403, 'resource_not_allowed']);
        expect(outcome(await client.rotate(token.id))).toEqual([403, 'resource_not_allowed']);
        expect(outcome(await client.revoke(token.id))).toEqual([403, 'resource_not_allowed']);
      }
      expect(outcome(await client.revokeAll())).toEqual([403, 'resource_not_allowed']);
      const body = { name: 'made', scopes: ['*'] };
      expect(outcome(await client.create({ ...body, resources: ['note:3'] }))).toEqual([400, 'invalid_resources']);
      expect(outcome(await client.create({ ...body, resources: ['note:*'] }))).toEqual([400, 'invalid_resources']);
      expect((await client.create({ ...body, resources: null })).body.token.resources).toEqual(['note:1', 'note:2']);
      expect((await client.create({ ...body, resources: ['note:2'] })).body.token.resources).toEqual(['note:2']);
      expect(outcome(await client.update(within.token.id, { resources: null }))).toEqual([400, 'invalid_resources']);
      expect(outcome(await client.update(within.token.id, { resources: ['note:2'] }))).toEqual([
        400,
        'invalid_resources',
      ]);
      expect((await client.rotate(within.token.id)).body.token.resources).toEqual(['note:1']);
    });
  });
});
