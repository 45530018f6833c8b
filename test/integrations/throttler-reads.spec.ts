import type { IncomingMessage } from 'node:http';
import { type CanActivate, Controller, type ExecutionContext, Get, Injectable, UseGuards } from '@nestjs/common';
import { ThrottlerModule } from '@nestjs/throttler';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { BearerAuthGuard, SigraJwtService } from 'nestjs-sigra';
import { trustIssuers } from 'nestjs-sigra/issuers';
import { SigraThrottlerGuard } from 'nestjs-sigra/throttler';
import { mintRawToken } from '../../libs/sigra/src/common/token-format.js';
import { AccessTokenVerifier } from '../../libs/sigra/src/jwt/access-token.verifier.js';
import { CompactJwsReader } from '../../libs/sigra/src/jwt/compact-jws.reader.js';
import { FakeClock } from '../../libs/sigra/src/testing/fake-clock.js';
import { ForeignIssuer } from '../support/foreign-issuer.js';
import { type HostApp, startHost } from '../support/host-app.js';
import { JWT } from '../support/jwt-app.js';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';

/** A guard of the application that does not let the credential through. */
@Injectable()
class StrippingGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    delete context.switchToHttp().getRequest<{ headers: Record<string, unknown> }>().headers.authorization;
    return true;
  }
}

@Controller('counted')
class CountedController {
  @Get()
  get() {
    return { ok: true };
  }

  @Get('stripped')
  @UseGuards(StrippingGuard, BearerAuthGuard)
  stripped() {
    return { ok: true };
  }
}

class StrictGuard extends SigraThrottlerGuard {
  protected override readonly failedLimit = 3;
}

describe.each(ADAPTERS)('A credential before SigraThrottlerGuard, on %s', (adapter) => {
  let test: TestApp;
  let issuer: ForeignIssuer;
  let host: HostApp;
  let headersRead = 0;
  let opens: jest.SpiedFunction<CompactJwsReader['open']>;
  const accepts = jest.fn(() => true);

  beforeAll(async () => {
    test = await startTestApp({ adapter, sigra: { jwt: JWT } });
    issuer = await ForeignIssuer.start();
    host = await startHost({
      adapter,
      databaseUrl: test.databaseUrl,
      sigra: { jwt: JWT, trustedIssuers: trustIssuers([issuer.options({ accepts })]) },
      controllers: [CountedController],
      imports: [ThrottlerModule.forRoot([{ ttl: 600_000, limit: 1000 }])],
      providers: [StrictGuard, StrippingGuard],
      guard: StrictGuard,
      prepare: (app) => {
        app.use((request: IncomingMessage, _response: unknown, next: () => void) => {
          const { rawHeaders } = request;
          // The credential is compared with it each time that it is read.
          Object.defineProperty(request, 'rawHeaders', { get: () => (headersRead++, rawHeaders) });
          next();
        });
      },
    });
  });
  afterAll(async () => {
    await host.close();
    await issuer.close();
    await test.close();
  });
  beforeEach(() => {
    opens = jest.spyOn(CompactJwsReader.prototype, 'open');
    accepts.mockClear();
  });

  const statusOf = async (token: string, path = '/counted') => {
    headersRead = 0;
    const response = await fetch(host.url + path, { headers: { authorization: `Bearer ${token}` } });
    await response.text();
    return response.status;
  };
  const ownJwt = async () => (await test.get(SigraJwtService).generateTokens(test.user, ['read:notes'])).accessToken;
  const guess = async () => {
    for (let time = 0; time < 35; time++) await statusOf(mintRawToken('sigra_sk_'));
  };

  it('is read from the headers once', async () => {
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });

    expect([await statusOf(rawToken), headersRead]).toEqual([200, 1]);
  });

  it('is read again by a guard behind one that changes the headers', async () => {
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });

    expect(await statusOf(rawToken, '/counted/stripped')).toBe(401);
  });

  it('has its signature verified once, even while its address is blocked', async () => {
    const [own, foreign] = [await ownJwt(), await issuer.sign(test.user.id)];
    await guess();
    opens.mockClear();

    const statuses = [await statusOf(own), await statusOf(foreign)];

    expect(statuses).toEqual([200, 200]);
    expect([opens.mock.calls.length, accepts.mock.calls.length]).toEqual([1, 1]);
  });

  it('is compared with the database while its address is blocked', async () => {
    const own = await ownJwt();
    await guess();
    expect(await statusOf(own)).toBe(200);

    await test.get(SigraJwtService).signOutEverywhere(test.user);

    expect(await statusOf(own)).toBe(429);
  });
});

describe('A JWT whose signature was verified', () => {
  it('still expires', async () => {
    const clock = new FakeClock();
    const test = await startTestApp({ clock, sigra: { jwt: JWT } });
    const { accessToken } = await test.get(SigraJwtService).generateTokens(test.user, ['read:notes']);
    const verifier = test.get(AccessTokenVerifier);
    const identified = verifier.read(accessToken);

    clock.advance({ hours: 1 });
    const late = verifier.verify(accessToken, undefined, {}, identified);

    await expect(late).rejects.toMatchObject({ code: 'token_expired' });
    await test.close();
  });
});
