import { Controller, Get } from '@nestjs/common';
import { ThrottlerModule } from '@nestjs/throttler';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AllowAnonymous, RequireScopes } from 'nestjs-sigra';
import { limitOf, SigraThrottlerGuard } from 'nestjs-sigra/throttler';
import { type HostApp, startHost } from '../support/host-app.js';
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
}

class StrictGuard extends SigraThrottlerGuard {
  protected override readonly failedLimit = 3;
}

describe.each(ADAPTERS)('SigraThrottlerGuard, on %s', (adapter) => {
  let test: TestApp;
  let host: HostApp;

  beforeAll(async () => {
    test = await startTestApp({ adapter });
    host = await startHost({
      adapter,
      databaseUrl: test.databaseUrl,
      sigra: { credentials: { headers: ['authorization', 'x-api-key'] } },
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
});
