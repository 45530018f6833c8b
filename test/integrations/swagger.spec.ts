import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, type INestApplication, Module, Post, UseGuards, VersioningType } from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import { ApiForbiddenResponse, ApiProperty, ApiSecurity, DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { ThrottlerModule } from '@nestjs/throttler';
import {
  AllowAnonymous,
  AllowOwners,
  BearerAuthGuard,
  OptionalAuth,
  RequireKind,
  RequireScopes,
  SessionAuthGuard,
  SigraAuthGuard,
  tokenPattern,
} from 'nestjs-sigra';
import { describeSigra, type DescribeSigraOptions } from 'nestjs-sigra/swagger';
import { SigraThrottlerGuard } from 'nestjs-sigra/throttler';
import { type HostApp, type HostOptions, startHost } from '../support/host-app.js';
import { createMigratedDatabase } from '../support/migrated-database.js';
import { ADAPTERS } from '../support/test-app.js';
import { USERS } from '../support/migrated-database.js';

class HostRefusal {
  @ApiProperty()
  reason!: string;
}

@Controller('notes')
@RequireScopes('read:notes')
class NoteController {
  @Get()
  list() {
    return {};
  }

  @Post()
  @RequireScopes({ any: ['write:notes', 'admin'] })
  @ApiForbiddenResponse({ description: 'Not yours.', type: HostRefusal })
  add() {
    return {};
  }

  @Get('open')
  @AllowAnonymous()
  open() {
    return {};
  }

  @Get('bearer')
  @UseGuards(BearerAuthGuard)
  bearer() {
    return {};
  }

  @Get('own')
  @ApiSecurity('mine')
  own() {
    return {};
  }

  @Get(':id/parts/:part')
  deep() {
    return {};
  }
}

@Controller('free')
class FreeController {
  @Get('optional')
  @OptionalAuth()
  optional() {
    return {};
  }

  @Post('person')
  @UseGuards(SessionAuthGuard)
  person() {
    return {};
  }

  @Get('live')
  @RequireKind('live')
  live() {
    return {};
  }
}

@Controller({ path: 'routed', version: '2' })
class RoutedController {
  @Get()
  @RequireScopes('admin')
  show() {
    return {};
  }
}

@Module({ controllers: [RoutedController] })
class RoutedModule {}

interface Operation {
  readonly operationId: string;
  readonly description?: string;
  readonly security?: object[];
  readonly responses: Record<string, { description: string; headers?: object; content?: object }>;
  readonly 'x-required-scopes'?: string[][];
}

function documentOf(
  app: INestApplication,
  options: DescribeSigraOptions = {},
  swagger: object = {},
  version = '3.0.0',
) {
  const config = new DocumentBuilder().setOpenAPIVersion(version).build();
  const document = describeSigra(app, SwaggerModule.createDocument(app, config, swagger), options);
  return document as unknown as {
    paths: Record<string, Record<string, Operation>>;
    components: { schemas: Record<string, object>; securitySchemes: Record<string, object> };
  };
}

const SIGRA = {
  apiTokens: {
    scopes: [{ name: 'read:notes', title: 'Read', description: 'Your notes.' }, 'write:notes', 'admin'],
    kinds: { live: { prefix: 'live_' }, test: { prefix: 'test_' } },
  },
  jwt: { enabled: true, issuer: 'https://a.example', audience: 'api', secret: 'x'.repeat(32) },
  controllers: { tokens: 'tokens', oauth: 'oauth', jwks: '.well-known', leaks: 'leaks', jwt: 'sign-ins' },
} as const;

describe.each(ADAPTERS)('describeSigra on %s', (adapter) => {
  let database: Awaited<ReturnType<typeof createMigratedDatabase>>;
  const hosts: HostApp[] = [];

  const start = async (options: Partial<HostOptions> = {}) => {
    const host = await startHost({
      adapter,
      databaseUrl: database.url,
      sigra: SIGRA,
      controllers: [NoteController, FreeController],
      imports: [RoutedModule, RouterModule.register([{ path: 'area', module: RoutedModule }])],
      ...options,
    });
    hosts.push(host);
    return host.app;
  };

  beforeAll(async () => {
    database = await createMigratedDatabase(USERS);
  });
  afterAll(async () => {
    for (const host of hosts) await host.close();
    await database.drop();
  });

  it('describes the security, the scopes and the refusals of guarded operations', async () => {
    const { paths } = documentOf(await start());
    const { get, post } = paths['/notes']!;

    expect(get).toMatchObject({
      security: [{ apiToken: [] }, { jwt: [] }, { session: [] }, { oauth2: ['read:notes'] }],
      'x-required-scopes': [['read:notes']],
      description: 'Scope: `read:notes`.',
    });
    expect(Object.keys(get!.responses)).toEqual(['200', '400', '401', '403', '503']);
    expect(get!.responses['401']).toMatchObject({
      headers: { 'WWW-Authenticate': expect.anything() },
      content: { 'application/json': { schema: { $ref: '#/components/schemas/SigraRefusal' } } },
    });
    expect(get!.responses['503']!.headers).toHaveProperty('Retry-After');
    expect(post!['x-required-scopes']).toEqual([
      ['read:notes', 'write:notes'],
      ['read:notes', 'admin'],
    ]);
    expect(post!.responses['403']).toMatchObject({
      description: 'Not yours.',
      content: {
        'application/json': {
          schema: {
            anyOf: [{ $ref: expect.stringMatching('HostRefusal') }, { $ref: expect.stringMatching('SigraRefusal') }],
          },
        },
      },
    });
    expect(paths['/notes/{id}/parts/{part}']!.get!['x-required-scopes']).toEqual([['read:notes']]);
  });

  it('describes what each guard and decorator accepts', async () => {
    const { paths } = documentOf(await start());

    expect(paths['/notes/open']!.get!.security).toEqual([]);
    expect(paths['/notes/open']!.get!.responses).not.toHaveProperty('401');
    expect(paths['/notes/bearer']!.get!.security).not.toContainEqual({ session: [] });
    expect(paths['/notes/own']!.get!.security).toEqual([{ mine: [] }]);
    expect(paths['/free/optional']!.get!.security).toContainEqual({});
    expect(paths['/free/person']!.post!.security).toEqual([{ session: [] }]);
    expect(paths['/free/person']!.post!.responses['403']!.description).toBe('`cross_origin`.');
    expect(paths['/free/live']!.get!.security).toEqual([{ apiToken: [] }]);
    expect(paths['/free/live']!.get!.description).toBe('Only API tokens of the kind `live`.');
  });

  it('describes which owners a route accepts, and the tokens of other owners', async () => {
    @Controller('machines')
    class MachineController {
      @Get()
      @AllowOwners('robot')
      list() {
        return {};
      }
    }
    const app = await start({
      sigra: {
        ...SIGRA,
        owners: { robot: { provider: { findByIds: () => Promise.resolve([]) } } },
        controllers: { ...SIGRA.controllers, owners: 'tokens/owners' },
      },
      controllers: [NoteController, MachineController],
    });

    const { paths } = documentOf(app);
    const { get: machines } = paths['/machines']!;
    const { post: create } = paths['/tokens/owners/{ownerType}/{ownerId}']!;

    expect(machines!.security).toEqual([{ apiToken: [] }]);
    expect(machines!.description).toBe('Only credentials of owners of the type `robot`.');
    expect(machines!.responses['403']!.description).toBe('`owner_not_allowed`.');
    expect(paths['/notes']!.get!.responses['403']!.description).toContain('`owner_not_allowed`');
    expect(create).toMatchObject({
      summary: 'Create a token of an owner',
      parameters: [
        { name: 'ownerType', in: 'path', required: true, schema: { enum: ['robot'] } },
        { name: 'ownerId', in: 'path', required: true },
        { name: 'Idempotency-Key', in: 'header' },
      ],
      responses: { 404: { description: expect.stringContaining('`not_found`') } },
    });
    expect(paths['/tokens/owners/{ownerType}/{ownerId}/{id}']).toHaveProperty(
      'delete.summary',
      'Revoke a token of an owner',
    );
    expect(paths['/tokens']!.post).toHaveProperty('summary', 'Create a token');
  });

  it('lists the refusals of bodies where a route reads one', async () => {
    const { paths } = documentOf(await start());

    const [create, list, token] = [paths['/tokens']!.post!, paths['/tokens']!.get!, paths['/oauth/token']!.post!];
    expect(create.responses).toMatchObject({
      413: { description: '`body_too_large`.' },
      415: { description: '`unsupported_encoding`.' },
    });
    expect(Object.keys(list.responses)).not.toEqual(expect.arrayContaining(['413']));
    expect(token.responses).toMatchObject({
      413: { content: { 'application/json': { schema: { $ref: '#/components/schemas/OAuthError' } } } },
      415: { description: 'invalid_request.' },
    });
  });

  it('changes nothing where no guard reads a credential', async () => {
    const { paths } = documentOf(await start({ guard: null, controllers: [FreeController] }));

    expect(paths['/free/optional']!.get).not.toHaveProperty('security');
    expect(Object.keys(paths['/free/optional']!.get!.responses)).toEqual(['200']);
    expect(paths['/tokens']!.get!.security).toContainEqual({ apiToken: [] });
  });

  it('describes limits of the guard that limits', async () => {
    const { paths } = documentOf(
      await start({
        imports: [ThrottlerModule.forRoot([{ ttl: 1000, limit: 10 }])],
        providers: [SigraAuthGuard, SigraThrottlerGuard],
        guard: SigraThrottlerGuard,
      }),
    );

    expect(paths['/notes/open']!.get!.responses['429']).toMatchObject({
      description: '`too_many_requests`.',
      headers: { 'Retry-After': expect.anything() },
    });
  });

  it('finds routes with prefixes and versions, by any operation id, and completes documents of some modules', async () => {
    const app = await start({
      prepare: (host) => host.setGlobalPrefix('v').enableVersioning({ type: VersioningType.URI, defaultVersion: '1' }),
    });

    const all = documentOf(app, {}, { operationIdFactory: (_controller: string, method: string) => `my_${method}` });
    const some = documentOf(app, {}, { include: [RoutedModule] });
    const bare = documentOf(app, { ignoreGlobalPrefix: true }, { ignoreGlobalPrefix: true });

    expect(all.paths['/v/v2/area/routed']!.get).toMatchObject({
      operationId: 'my_show',
      'x-required-scopes': [['admin']],
    });
    expect(all.paths['/v/v1/tokens']!.post).toHaveProperty('summary', 'Create a token');
    expect(all.components.securitySchemes.oauth2).toMatchObject({
      flows: {
        clientCredentials: {
          tokenUrl: '/v/oauth/token',
          scopes: { 'read:notes': 'Read: Your notes.', admin: 'admin' },
        },
      },
    });
    expect(Object.keys(some.paths)).toEqual(['/v/v2/area/routed']);
    expect(some.paths['/v/v2/area/routed']!.get!['x-required-scopes']).toEqual([['admin']]);
    expect(bare.paths['/v2/area/routed']!.get!['x-required-scopes']).toEqual([['admin']]);
  });

  it('lists the scopes with their descriptions where no flow of OAuth has them', async () => {
    const editor = {
      name: 'editor',
      title: 'Edit',
      group: 'Notes',
      implies: ['read:notes', 'write:notes'],
      danger: true,
    };
    const apiTokens = { ...SIGRA.apiTokens, scopes: [...SIGRA.apiTokens.scopes, editor] };
    const without = documentOf(await start({ sigra: { ...SIGRA, apiTokens, controllers: { tokens: 'tokens' } } }));
    const withFlow = documentOf(await start());

    const { apiToken, oauth2 } = without.components.securitySchemes;
    expect(oauth2).toBeUndefined();
    expect(apiToken).toHaveProperty('description', expect.stringContaining('\n- `read:notes` Read: Your notes.\n'));
    expect(apiToken).toHaveProperty('description', expect.stringMatching(/\n- `api_tokens:write` .*\(dangerous\)\n/));
    expect(apiToken).toHaveProperty(
      'description',
      expect.stringContaining('\n- `editor` Edit (dangerous; group Notes; includes read:notes, write:notes)'),
    );
    expect(withFlow.components.securitySchemes.apiToken).toHaveProperty(
      'description',
      'An API token: `live_…`, `test_…`.',
    );
  });

  it('has no valid credential as an example, and the types of the version of the document', async () => {
    const app = await start();

    const older = documentOf(app);
    const newer = documentOf(app, { sessionCookie: 'mine' }, {}, '3.1.0');

    const text = JSON.stringify(older);
    expect(text).not.toMatch(tokenPattern('live_', 'test_', 'sigra_sk_', 'sigra_rt_'));
    expect(text).not.toContain('components/schemas/Object"');
    expect(older.components.schemas).not.toHaveProperty('Object');
    expect(older.components.schemas.ApiToken).toMatchObject({ properties: { expiresAt: { nullable: true } } });
    expect(newer.components.schemas.ApiToken).toMatchObject({
      properties: { expiresAt: { type: ['string', 'null'] } },
    });
    expect(newer.components.securitySchemes.session).toMatchObject({ name: 'mine' });
    expect(older.components.securitySchemes.session).toMatchObject({ name: 'connect.sid' });
  });
});
