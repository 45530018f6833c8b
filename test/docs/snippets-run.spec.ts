import type { IncomingMessage } from 'node:http';
import * as cacheManager from '@nestjs/cache-manager';
import * as common from '@nestjs/common';
import * as core from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import * as throttler from '@nestjs/throttler';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import * as sigra from 'nestjs-sigra';
import {
  type DynamicModule,
  Get,
  Controller,
  Global,
  type NestInterceptor,
  type INestApplication,
  Module,
  type Type,
} from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { AllowAnonymous, ApiTokenService, CurrentPrincipal, type Principal, RequireScopes } from 'nestjs-sigra';
import * as sigraThrottler from 'nestjs-sigra/throttler';
import * as typeorm from 'typeorm';
import { createDatabase } from '../support/database.js';
import { type HostApp, type HostOptions, startHost } from '../support/host-app.js';
import { createMigratedDatabase } from '../support/migrated-database.js';
import { document } from '../support/markdown.js';
import { SnippetRunner } from '../support/run-snippet.js';
import { ADAPTERS, startTestApp, type TestApp, User } from '../support/test-app.js';

const modules = {
  '@nestjs/cache-manager': cacheManager,
  '@nestjs/common': common,
  '@nestjs/core': core,
  '@nestjs/throttler': throttler,
  'nestjs-sigra': sigra,
  'nestjs-sigra/throttler': sigraThrottler,
  typeorm,
};

let calls = 0;

@Controller('projects')
class ProjectsController {
  @Get()
  @RequireScopes('read:projects')
  list(@CurrentPrincipal() { userId }: Principal) {
    return { call: ++calls, userId };
  }
}

@Controller('me')
class MeController {
  @Get()
  me(@CurrentPrincipal() { userId }: Principal) {
    return { userId };
  }

  @Get('about')
  @AllowAnonymous()
  about() {
    return {};
  }
}

/** The module that a snippet makes. */
interface Made {
  readonly default: DynamicModule;
}

interface TokenAnswer {
  readonly rawToken: string;
}

/** The session of a request: the user whose id its header has. */
function useSessions(app: INestApplication): void {
  const sessionOf = ({ headers }: IncomingMessage) => ({ userId: headers['x-session-user'] });
  if (app.getHttpAdapter().getType() === 'fastify') {
    (app as NestFastifyApplication)
      .getHttpAdapter()
      .getInstance()
      .addHook('onRequest', async (request) => {
        Object.assign(request, { session: sessionOf(request.raw) });
      });
  } else {
    app.use((request: IncomingMessage, _: unknown, next: () => void) => {
      Object.assign(request, { session: sessionOf(request) });
      next();
    });
  }
}

describe.each(ADAPTERS)('The snippets of the first pages, run on %s', (adapter) => {
  let test: TestApp;
  const started = new SnippetRunner(document('docs/getting-started.md'), modules);
  const existing = new SnippetRunner(document('docs/existing-application.md'), modules);

  beforeAll(async () => {
    test = await startTestApp({ sigra: { apiTokens: { scopes: ['read:projects', 'write:projects'] } } });
  });
  afterAll(() => test.close());

  /** Boots an application with a snippet's module, calls it, and closes it. */
  const using = async (options: Partial<HostOptions>, work: (host: HostApp) => Promise<void>) => {
    const host = await startHost({
      adapter,
      databaseUrl: test.databaseUrl,
      controllers: [ProjectsController],
      sigra: { apiTokens: { scopes: ['read:projects', 'write:projects'] } },
      ...options,
    });
    try {
      await work(host);
    } finally {
      await host.close();
    }
  };
  const createIn = async ({ app }: HostApp, user = test.user) =>
    (await app.get(ApiTokenService).create(user, { name: 'CI', scopes: ['read:projects'] })).rawToken;
  const get = async (url: string, headers: Record<string, string> = {}) => {
    const response = await fetch(url, { headers });
    return { status: response.status, body: (await response.json()) as never };
  };
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

  it('getting started: an invalid option stops the boot with the message of the page', async () => {
    const [shown] = document('docs/getting-started.md').fences.filter(({ language }) => language === 'text');

    const booted = using({ sigra: { lookupTimeout: '2000' as never } }, async () => undefined);

    await expect(booted.catch(String)).resolves.toBe(shown?.code);
  });

  it('getting started: the migrations of the DataSource create the tables', async () => {
    const database = await createDatabase();
    const before = process.env.DATABASE_URL;
    process.env.DATABASE_URL = database.url;
    try {
      const { dataSource } = await started.run<{ dataSource: typeorm.DataSource }>('new DataSource(', {
        User,
        myMigrations: [],
      });

      await dataSource.initialize();
      const [{ count }] = await dataSource.query<[{ count: number }]>('SELECT count(*)::integer FROM sigra_api_tokens');
      await dataSource.destroy();

      expect(count).toBe(0);
    } finally {
      if (before === undefined) delete process.env.DATABASE_URL;
      else process.env.DATABASE_URL = before;
      await database.drop();
    }
  });

  it('getting started: the module has the prefix, the scopes and the rule for active users', async () => {
    const made = await started.run<Made>("prefix: 'myapp_sk_'", { User });
    const disabled = await test.addUser('disabled@example.com');

    await using({ sigra: made.default }, async (host) => {
      const token = await createIn(host);
      const other = await createIn(host, disabled);
      await test.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [disabled.id]);

      expect(token).toMatch(/^myapp_sk_/);
      expect((await get(`${host.url}/projects`, bearer(token))).status).toBe(200);
      expect((await get(`${host.url}/projects`, bearer(other))).status).toBe(401);
    });
  });

  it('getting started: the module takes values from a provider', async () => {
    const values: Record<string, string> = { TOKEN_PREFIX: 'set_', SIGRA_LOOKUP_TIMEOUT: '3000' };
    class Settings {
      get(name: string) {
        return values[name];
      }
    }
    @Global()
    @Module({ providers: [Settings], exports: [Settings] })
    class SettingsModule {}
    const made = await started.run<Made>('SigraModule.forRootAsync(', { User, Settings });

    await using({ sigra: made.default, imports: [SettingsModule], controllers: [] }, async (host) => {
      const { rawToken } = await host.app
        .get(ApiTokenService)
        .create(test.user, { name: 'CI', scopes: ['api_tokens:read'] });

      expect(rawToken).toMatch(/^set_/);
      expect((await get(`${host.url}/api/tokens`, bearer(rawToken))).status).toBe(200);
    });
  });

  it('getting started: the provider finds the users', async () => {
    const accounts = [
      { uid: 'a-1', suspended: false },
      { uid: 'a-2', suspended: true },
    ];
    const { Accounts, default: made } = await started.run<Made & { Accounts: Type<object> }>('class Accounts', {
      accountsOfAnotherService: (ids: readonly string[]) => accounts.filter(({ uid }) => ids.includes(uid)),
    });
    const { url: databaseUrl, drop } = await createMigratedDatabase();

    await using(
      { databaseUrl, sigra: made, providers: [Accounts], controllers: [MeController] },
      async ({ app, url }) => {
        const tokens = app.get(ApiTokenService);
        const of = async (uid: string) => (await tokens.create({ uid }, { name: 'CI', scopes: ['*'] })).rawToken;

        expect(await get(`${url}/me`, bearer(await of('a-1')))).toEqual({ status: 200, body: { userId: 'a-1' } });
        expect((await get(`${url}/me`, bearer(await of('a-2')))).status).toBe(401);
      },
    ).finally(drop);
  });

  it('getting started: the global guard closes all routes', async () => {
    const { AppModule } = await started.run<{ AppModule: Type<object> }>('APP_GUARD');

    await using({ guard: null, imports: [AppModule], controllers: [MeController] }, async (host) => {
      expect((await get(`${host.url}/me`)).status).toBe(401);
      expect((await get(`${host.url}/me`, bearer(await createIn(host)))).status).toBe(200);
    });
  });

  it('getting started: users make their tokens in a session', async () => {
    const made = await started.run<Made>("scopes: 'api/scopes'", { User });

    await using({ sigra: made.default, prepare: useSessions }, async (host) => {
      const response = await fetch(`${host.url}/api/tokens`, {
        method: 'POST',
        headers: { 'x-session-user': test.user.id, 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'CI', scopes: ['read:projects'] }),
      });
      const { rawToken } = (await response.json()) as TokenAnswer;

      expect(response.status).toBe(201);
      expect((await get(`${host.url}/projects`, bearer(rawToken))).status).toBe(200);
      expect((await get(`${host.url}/api/scopes`, bearer(rawToken))).status).toBe(200);
    });
  });

  it('getting started: the service creates, rotates, lists and revokes', async () => {
    const log = jest.spyOn(console, 'log').mockImplementation(() => undefined);
    const user = await test.addUser('own-code@example.com');

    await started.run('tokens.listActive(', { tokens: test.tokens, user });
    const lines = log.mock.calls;
    log.mockRestore();

    expect(lines).toEqual([['revoked']]);
    expect((await test.tokens.listActive(user)).tokens).toEqual([]);
  });

  it('getting started: a handler makes a token with its caller', async () => {
    const running: { tokens?: ApiTokenService } = {};
    const { DeployKeysController } = await started.run<{ DeployKeysController: Type<object> }>('DeployKeysController', {
      User,
      tokens: { create: (...args: Parameters<ApiTokenService['create']>) => running.tokens!.create(...args) },
    });

    await using({ controllers: [DeployKeysController, ProjectsController] }, async (host) => {
      running.tokens = host.app.get(ApiTokenService);
      const parent = await createIn(host);
      const response = await fetch(`${host.url}/deploy-keys`, { method: 'POST', headers: bearer(parent) });
      const { rawToken } = (await response.json()) as TokenAnswer;
      await running.tokens?.revokeAll(test.user);

      expect(response.status).toBe(201);
      expect((await get(`${host.url}/projects`, bearer(rawToken))).status).toBe(401);
    });
  });

  it("existing application: the host's own tokens are accepted beside Sigra's", async () => {
    const claims = { sub: test.user.id, exp: Math.floor(Date.now() / 1000) + 3600 };
    const made = await existing.run<Made>('credentials: {', {
      User,
      verifyOldToken: async (header: unknown) => (header === 'Bearer old' ? claims : undefined),
    });

    await using({ sigra: made.default }, async (host) => {
      expect((await get(`${host.url}/projects`, bearer('old'))).body).toMatchObject({ userId: test.user.id });
      expect((await get(`${host.url}/projects`, bearer(await createIn(host)))).status).toBe(200);
      expect((await get(`${host.url}/projects`, bearer('other'))).status).toBe(401);
    });
  });

  it('existing application: requests are limited by credential and by address', async () => {
    const { LimitsModule } = await existing.run<{ LimitsModule: Type<object> }>('class LimitsModule');

    await using({ guard: null, imports: [LimitsModule], controllers: [MeController] }, async (host) => {
      const statuses: number[] = [];
      for (let request = 0; request < 61; request++) statuses.push((await get(`${host.url}/me/about`)).status);

      expect(statuses).toEqual([...Array<number>(60).fill(200), 429]);
      expect((await get(`${host.url}/me`, bearer(await createIn(host)))).status).toBe(200);
    });
  });

  it('existing application: a response cache keeps the answers of each credential apart', async () => {
    const { AppCacheInterceptor } = await existing.run<{ AppCacheInterceptor: Type<object> }>('perPrincipal(');
    const grace = await test.addUser('grace@example.com');

    await using(
      {
        imports: [cacheManager.CacheModule.register({ isGlobal: true })],
        providers: [{ provide: APP_INTERCEPTOR, useClass: AppCacheInterceptor as Type<NestInterceptor> }],
      },
      async (host) => {
        const own = bearer(await createIn(host));
        const first = await get(`${host.url}/projects`, own);

        expect(await get(`${host.url}/projects`, own)).toEqual(first);
        expect((await get(`${host.url}/projects`, bearer(await createIn(host, grace)))).body).toMatchObject({
          userId: grace.id,
        });
      },
    );
  });

  it('are all of these pages', () => {
    expect([started.linesLeft, existing.linesLeft]).toEqual([[], []]);
  });
});
