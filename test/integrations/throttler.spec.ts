import { Controller, Get, UseGuards } from '@nestjs/common';
import { ThrottlerModule } from '@nestjs/throttler';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { MessagePattern } from '@nestjs/microservices';
import { WsAdapter } from '@nestjs/platform-ws';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { AllowAnonymous, OptionalAuth, RequireScopes, SigraError, SigraJwtService } from 'nestjs-sigra';
import { limitOf, SigraThrottlerGuard } from 'nestjs-sigra/throttler';
import { insufficientScope, INVALID_TOKEN, UNAUTHORIZED } from '../support/answers.js';
import { CONTEXTS } from '../support/context-clients.js';
import { type ContextHosts, startTcp } from '../support/context-hosts.js';
import { type HostApp, startHost } from '../support/host-app.js';
import { JWT } from '../support/jwt-app.js';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';
import { mintRawToken } from '../../libs/sigra/src/common/token-format.js';

@Controller('notes')
class NotesController {
  @Get()
  @RequireScopes('read:notes')
  list() {
    return { ok: true };
  }

  @Get('about')
  @AllowAnonymous()
  about() {
    return { ok: true };
  }

  @Get('open')
  @AllowAnonymous()
  open() {
    return { ok: true };
  }

  @Get('optional')
  @OptionalAuth()
  optional() {
    return { ok: true };
  }

  @Get('admin')
  @RequireScopes('admin')
  admin() {
    return { ok: true };
  }
}

class StrictGuard extends SigraThrottlerGuard {
  protected override readonly failedLimit = 3;
}

describe.each(ADAPTERS)('SigraThrottlerGuard, on %s', (adapter) => {
  let test: TestApp;
  let host: HostApp;

  beforeAll(async () => {
    test = await startTestApp({ adapter, sigra: { jwt: JWT } });
    host = await startHost({
      adapter,
      databaseUrl: test.databaseUrl,
      trustProxy: 'loopback',
      sigra: { jwt: JWT, credentials: { headers: ['authorization', 'x-api-key'] } },
      controllers: [NotesController],
      imports: [ThrottlerModule.forRoot([{ ttl: 600_000, limit: limitOf((principal) => (principal ? 5 : 2)) }])],
      providers: [StrictGuard],
      guard: StrictGuard,
    });
  });
  afterAll(async () => {
    await host.close();
    await test.close();
  });

  const create = async () => (await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] })).rawToken;
  const get = async (token?: string, path = '/notes', header: 'authorization' | 'x-api-key' = 'authorization') => {
    const value = header === 'authorization' ? `Bearer ${token}` : token;
    const headers: Record<string, string> = token === undefined || value === undefined ? {} : { [header]: value };
    const response = await fetch(host.url + path, { headers });
    return {
      status: response.status,
      remaining: response.headers.get('ratelimit-remaining'),
      retryAfter: Number(response.headers.get('retry-after')),
      body: await response.json(),
    };
  };
  const statusesOf = async (times: number, token?: string, path?: string) => {
    const statuses: number[] = [];
    for (let time = 0; time < times; time++) statuses.push((await get(token, path)).status);
    return statuses;
  };

  it('counts the requests of each token by itself', async () => {
    const [first, second] = [await create(), await create()];

    const answers = await statusesOf(6, first);

    expect(answers).toEqual([200, 200, 200, 200, 200, 429]);
    expect(await get(second)).toMatchObject({ status: 200, remaining: '4' });
  });

  it('says in a 429 when to come back', async () => {
    const token = await create();
    await statusesOf(5, token);

    const answer = await get(token);

    expect(answer.body).toEqual({ statusCode: 429, error: 'too_many_requests', message: expect.any(String) });
    expect(answer.retryAfter).toBeGreaterThan(0);
    expect(answer.retryAfter).toBeLessThanOrEqual(600);
  });

  it('counts requests without a credential by address, beside those of tokens', async () => {
    const statuses = await statusesOf(3, undefined, '/notes/about');

    expect(statuses).toEqual([200, 200, 429]);
    expect((await get(await create())).status).toBe(200);
  });

  it('refuses requests without a credential where one is required, without counting them', async () => {
    expect(await statusesOf(8)).toEqual(Array(8).fill(401));
  });

  it('stops an address that sends bad credentials, but not the honest users behind it', async () => {
    const [known, fresh] = [await create(), await create()];
    const revoked = await create();
    const { id } = await test.tokens.verify(revoked);
    await test.tokens.revoke(id);
    expect((await get(known)).status).toBe(200);

    const repeated = await statusesOf(6, revoked);

    expect(repeated).toEqual([401, 401, 401, 429, 429, 429]);
    expect([(await get(known)).status, (await get(fresh)).status]).toEqual([200, 200]);
  });

  it('counts bad credentials in other headers, too', async () => {
    const revoked = await create();
    await test.tokens.revoke((await test.tokens.verify(revoked)).id);

    const statuses: number[] = [];
    for (let time = 0; time < 6; time++) statuses.push((await get(revoked, '/notes', 'x-api-key')).status);

    expect(statuses.filter((status) => status === 401).length).toBeLessThanOrEqual(3);
    expect(statuses.at(-1)).toBe(429);
    expect((await get(await create(), '/notes', 'x-api-key')).status).toBe(200);
  });

  it('verifies only credentials that were good before, for an address that guesses', async () => {
    const [known, fresh] = [await create(), await create()];
    expect((await get(known)).status).toBe(200);

    for (let guess = 0; guess < 40; guess++) await get(mintRawToken('sigra_sk_'));

    expect([(await get(fresh)).status, (await get(known)).status]).toEqual([429, 200]);
  });

  describe('from an address of its own', () => {
    let address = 0;
    let from: string;
    beforeEach(() => {
      from = `192.0.2.${++address}`;
    });

    const send = async (path: string, authorization?: string) => {
      const headers = { 'x-forwarded-for': from, ...(authorization !== undefined && { authorization }) };
      const response = await fetch(host.url + path, { headers });
      await response.text();
      return response;
    };
    const statusOf = async (path: string, authorization?: string) => (await send(path, authorization)).status;
    const junk = () => `Bearer ${mintRawToken('sigra_sk_')}`;
    const guess = async () => {
      for (let time = 0; time < 35; time++) await send('/notes', junk());
    };

    it('does not take for good what no guard has verified', async () => {
      // A valid one shows it: it is verified at once if it counts as good.
      const [onOpen, onOptional] = [`Bearer ${await create()}`, 'Basic bm90OnZlcmlmaWVk'];
      await send('/notes/open', onOpen);
      await send('/notes/optional', onOptional);

      await guess();

      expect(await statusOf('/notes', onOpen)).toBe(429);
      expect(await statusOf('/notes', onOptional)).toBe(401);
    });

    it('does not read credentials on an anonymous route, whatever the address has sent', async () => {
      await guess();

      expect(await statusOf('/notes/open', junk())).toBe(200);
    });

    it('verifies new JWTs for an address that guesses, and no forged ones', async () => {
      const jwt = test.get(SigraJwtService);
      const renewed = async () => (await jwt.generateTokens(test.user, ['read:notes'])).accessToken;
      await guess();

      const statuses = [await statusOf('/notes', `Bearer ${await renewed()}`)];
      const [header = '', payload = ''] = (await renewed()).split('.');
      statuses.push(await statusOf('/notes', `Bearer ${header}.${payload}.${'A'.repeat(43)}`));

      expect(statuses).toEqual([200, 429]);
    });

    it('limits requests of a token that lacks a scope', async () => {
      const token = `Bearer ${await create()}`;

      const answers: Response[] = [];
      for (let time = 0; time < 6; time++) answers.push(await send('/notes/admin', token));

      expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403, 429]);
      expect(answers[0]?.headers.get('ratelimit-remaining')).toBe('4');
    });

    it('limits malformed headers by address', async () => {
      const statuses: number[] = [];
      for (let time = 0; time < 3; time++) statuses.push(await statusOf('/notes', 'Bearer a b'));

      expect(statuses).toEqual([400, 400, 429]);
    });

    it('names the limit that is exceeded', async () => {
      const revoked = await create();
      await test.tokens.revoke((await test.tokens.verify(revoked)).id);
      const names = ['ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset', 'retry-after'];
      const headersOf = ({ headers }: Response) => names.map((name) => Number(headers.get(name)));

      const token = `Bearer ${await create()}`;
      let limited = await send('/notes', token);
      for (let time = 0; time < 5; time++) limited = await send('/notes', token);
      let blocked = await send('/notes', `Bearer ${revoked}`);
      for (let time = 0; time < 3; time++) blocked = await send('/notes', `Bearer ${revoked}`);

      expect([limited.status, blocked.status]).toEqual([429, 429]);
      expect(headersOf(limited).slice(0, 2)).toEqual([5, 0]);
      expect(headersOf(blocked).slice(0, 2)).toEqual([3, 0]);
      for (const [, , reset, wait] of [headersOf(limited), headersOf(blocked)]) {
        expect(wait).toBeGreaterThan(0);
        expect(reset).toBe(wait);
      }
    });
  });
});

@Controller('notes')
class VisitedController {
  @Get()
  list() {
    return { ok: true };
  }
}

describe('SigraThrottlerGuard, with credentials.resolve', () => {
  let test: TestApp;
  let host: HostApp;

  beforeAll(async () => {
    test = await startTestApp();
    host = await startHost({
      adapter: 'express',
      databaseUrl: test.databaseUrl,
      trustProxy: 'loopback',
      sigra: {
        credentials: {
          resolve: ({ headers }) => {
            const id = /^sid=(.+)$/.exec(String(headers.cookie))?.[1] ?? headers['x-ticket'];
            if (id === 'junk') throw new SigraError('invalid_token', 'The session does not exist.');
            return typeof id === 'string' ? { userId: id, scopes: ['read:notes'] } : undefined;
          },
        },
      },
      controllers: [VisitedController],
      imports: [ThrottlerModule.forRoot([{ ttl: 600_000, limit: 5 }])],
      providers: [StrictGuard],
      guard: StrictGuard,
    });
  });
  afterAll(async () => {
    await host.close();
    await test.close();
  });

  const statusesOf = async (times: number, from: string, sent: Record<string, string>) => {
    const statuses: number[] = [];
    for (let time = 0; time < times; time++) {
      const response = await fetch(`${host.url}/notes`, { headers: { 'x-forwarded-for': from, ...sent } });
      statuses.push(response.status);
    }
    return statuses;
  };

  it('counts a cookie that the application refuses, and verifies others from there', async () => {
    expect(await statusesOf(5, '192.0.2.1', { cookie: 'sid=junk' })).toEqual([401, 401, 401, 429, 429]);
    expect(await statusesOf(1, '192.0.2.1', { cookie: `sid=${test.user.id}` })).toEqual([200]);
  });

  it('limits by address what the application refuses or does not know', async () => {
    const refused = await statusesOf(6, '192.0.2.2', { 'x-ticket': 'junk' });
    const unknown = await statusesOf(6, '192.0.2.3', { 'x-other': 'header' });

    expect([refused, unknown]).toEqual([
      [401, 401, 401, 401, 401, 429],
      [401, 401, 401, 401, 401, 429],
    ]);
  });
});

@WebSocketGateway()
@UseGuards(StrictGuard)
class LimitedGateway {
  @SubscribeMessage('me')
  me() {
    return { event: 'answer', data: { ok: true } };
  }

  @SubscribeMessage('scoped')
  @RequireScopes('write:notes')
  scoped() {
    return { event: 'answer', data: { ok: true } };
  }
}

@Controller()
@UseGuards(StrictGuard)
class LimitedMessages {
  @MessagePattern({ cmd: 'me' })
  me() {
    return { ok: true };
  }

  @MessagePattern({ cmd: 'scoped' })
  @RequireScopes('write:notes')
  scoped() {
    return { ok: true };
  }
}

describe('SigraThrottlerGuard, outside of HTTP', () => {
  let test: TestApp;
  let host: HostApp;
  let tcpPort: number;

  beforeAll(async () => {
    test = await startTestApp();
    host = await startHost({
      adapter: 'express',
      databaseUrl: test.databaseUrl,
      controllers: [LimitedMessages],
      imports: [ThrottlerModule.forRoot([{ ttl: 600_000, limit: 5 }])],
      providers: [StrictGuard, LimitedGateway],
      guard: null,
      prepare: (app) => app.useWebSocketAdapter(new WsAdapter(app)),
    });
    tcpPort = await startTcp(host.app);
  });
  afterAll(async () => {
    await host.close();
    await test.close();
  });

  it.each(CONTEXTS.filter(({ context }) => context === 'ws' || context === 'TCP'))(
    'refuses in the form of $context',
    async ({ connect }) => {
      const hosts = { sockets: host, tcpPort } as ContextHosts;
      const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });
      const [bare, honest, guessing] = [
        await connect(hosts, {}),
        await connect(hosts, { token: rawToken }),
        await connect(hosts, { token: 'sigra_sk_unknown' }),
      ];
      const tooMany = { statusCode: 429, error: 'too_many_requests', message: expect.stringMatching(/ \d+ s\.$/) };
      const outcomes = async (client: typeof bare, handler: 'me' | 'scoped', times: number) => {
        const all: unknown[] = [];
        for (let time = 0; time < times; time++) all.push(await client.ask(handler));
        return all;
      };

      const lacking = insufficientScope(['write:notes'], ['write:notes']).body;
      expect(await outcomes(bare, 'me', 1)).toEqual([UNAUTHORIZED.body]);
      expect(await outcomes(honest, 'me', 6)).toEqual([...Array<unknown>(5).fill({ ok: true }), tooMany]);
      expect(await outcomes(honest, 'scoped', 6)).toEqual([...Array<unknown>(5).fill(lacking), tooMany]);
      expect(await outcomes(guessing, 'me', 4)).toEqual([...Array<unknown>(3).fill(INVALID_TOKEN.body), tooMany]);
      for (const client of [bare, honest, guessing]) await client.close();
    },
  );
});
