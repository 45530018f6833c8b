import { randomUUID } from 'node:crypto';
import { CacheInterceptor, CacheModule } from '@nestjs/cache-manager';
import { Controller, type ExecutionContext, Get, Injectable } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CachesPerPrincipal, perPrincipal, RequireScopes, SigraJwtService } from 'nestjs-sigra';
import { trustIssuers } from 'nestjs-sigra/issuers';
import { ForeignIssuer } from '../support/foreign-issuer.js';
import { type HostApp, startHost } from '../support/host-app.js';
import { JWT } from '../support/jwt-app.js';
import { ecKey, signWithJose, standardClaims } from '../support/jwt-forge.js';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';

let calls = 0;

@Controller('mine')
class MineController {
  @Get()
  @RequireScopes('read:notes')
  mine() {
    return { call: ++calls };
  }
}

@Injectable()
@CachesPerPrincipal()
class AppCacheInterceptor extends CacheInterceptor {
  protected override trackBy(context: ExecutionContext) {
    return perPrincipal(context, super.trackBy(context));
  }
}

const KEY = ecKey('key-1');
const SCOPES = ['api_tokens:write', 'read:notes'];
const scope = SCOPES.join(' ');

describe.each(ADAPTERS)('JWTs of one user with the same scopes, on %s', (adapter) => {
  let test: TestApp;
  let issuer: ForeignIssuer;
  let other: ForeignIssuer;
  let host: HostApp;

  beforeAll(async () => {
    test = await startTestApp();
    [issuer, other] = [await ForeignIssuer.start(), await ForeignIssuer.start()];
    host = await startHost({
      adapter,
      databaseUrl: test.databaseUrl,
      sigra: {
        jwt: { ...JWT, secret: undefined, keys: [KEY.option] },
        trustedIssuers: trustIssuers([issuer.options(), other.options()]),
        controllers: { tokens: 'api/tokens' },
      },
      imports: [CacheModule.register({ isGlobal: true, ttl: 60_000 })],
      controllers: [MineController],
      providers: [{ provide: APP_INTERCEPTOR, useClass: AppCacheInterceptor }],
    });
  });
  afterAll(async () => {
    await host.close();
    await test.close();
    await issuer.close();
    await other.close();
  });

  /** A JWT that another service has signed with the key of the application: it has no family. */
  const withoutFamily = async () => {
    const claims = { ...standardClaims(test.user.id, new Date()), scope, sid: 'a session there' };
    return (await signWithJose(KEY, claims)).jwt;
  };
  const foreign = (by: ForeignIssuer, jti: string) => by.sign(test.user.id, { claims: { jti, scope } });
  const cached = async (jwt: string) => {
    const answer = await fetch(`${host.url}/mine`, { headers: { authorization: `Bearer ${jwt}` } });
    return (await answer.json()) as { call: number };
  };
  const create = async (jwt: string, key: string) => {
    const answer = await fetch(`${host.url}/api/tokens`, {
      method: 'POST',
      headers: { authorization: `Bearer ${jwt}`, 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify({ name: 'CI', scopes: ['read:notes'] }),
    });
    return (await answer.json()) as { rawToken: string };
  };

  it.each([
    ['two issuers', async () => [await foreign(issuer, 'one'), await foreign(other, 'one')]],
    ['one issuer', async () => [await foreign(issuer, 'one'), await foreign(issuer, 'two')]],
    [
      'one issuer that gives several the same jti',
      async () => [
        await foreign(issuer, 'one'),
        await issuer.sign(test.user.id, { claims: { jti: 'one', scope, azp: 'web' } }),
      ],
    ],
    ['another service with the same key', async () => [await withoutFamily(), await withoutFamily()]],
  ])('of %s share neither a cached answer nor a repeated one', async (_what, sign) => {
    const [first, second] = (await sign()) as [string, string];
    const key = randomUUID();

    const answers = [await cached(first), await cached(second), await cached(first)];
    const created = [await create(first, key), await create(second, key), await create(first, key)];

    expect(answers[2]).toEqual(answers[0]);
    expect(answers[1]).not.toEqual(answers[0]);
    expect(created[2]).toEqual(created[0]);
    expect(created[1]!.rawToken).toMatch(/^sigra_sk_/);
    expect(created[1]!.rawToken).not.toBe(created[0]!.rawToken);
  });

  it('of one family share a repeated answer, so that a client can refresh in between', async () => {
    const jwt = host.app.get(SigraJwtService);
    const pair = await jwt.generateTokens(test.user, SCOPES);
    const next = await jwt.refresh(pair.refreshToken);
    const elsewhere = await jwt.generateTokens(test.user, SCOPES);
    const key = randomUUID();

    const created = [
      await create(pair.accessToken, key),
      await create(next.accessToken, key),
      await create(elsewhere.accessToken, key),
    ];

    expect(created[1]).toEqual(created[0]);
    expect(created[2]!.rawToken).not.toBe(created[0]!.rawToken);
  });
});
