import { Controller, Get, type INestApplication, type Type, UseGuards } from '@nestjs/common';
import { Mutation, Query, Resolver, Subscription } from '@nestjs/graphql';
import { MessagePattern } from '@nestjs/microservices';
import { WsAdapter } from '@nestjs/platform-ws';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  AllowAnonymous,
  type ApiTokenOptions,
  BearerAuthGuard,
  OptionalAuth,
  RequireKind,
  RequireScopes,
  ScopeGuard,
  SessionAuthGuard,
  SigraAuthGuard,
} from 'nestjs-sigra';
import { type Answer, answerOf, INVALID_TOKEN, insufficientScope, UNAUTHORIZED } from '../support/answers.js';
import { CONTEXTS } from '../support/context-clients.js';
import { apollo, type ContextHosts, Me, mercurius, startTcp } from '../support/context-hosts.js';
import { startHost } from '../support/host-app.js';
import { JWT, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { ADAPTERS } from '../support/test-app.js';

const OK = { ok: true };
const APP = {
  apiTokens: {
    scopes: ['read:notes', 'write:notes'],
    kinds: { live: { prefix: 'sk_live_' }, test: { prefix: 'sk_test_' }, ci: { prefix: 'ci_' } },
  } satisfies ApiTokenOptions,
};

/** The answer to a principal that is not a token of the kind. */
function otherKind(kinds: string): Answer {
  const message = `This request needs an API token of the kind ${kinds}.`;
  return {
    status: 403,
    challenge: `Bearer realm="api", error="insufficient_scope", error_description="${message}"`,
    body: { statusCode: 403, error: 'kind_not_allowed', message },
  };
}

@Controller('live')
@RequireKind('live', 'test')
class KindController {
  @Get('either')
  either() {
    return OK;
  }

  @Get('both')
  @RequireKind('live')
  both() {
    return OK;
  }

  @Get('scoped')
  @RequireScopes('write:notes')
  scoped() {
    return OK;
  }

  @Get('optional')
  @OptionalAuth()
  optional() {
    return OK;
  }

  @Get('open')
  @AllowAnonymous()
  open() {
    return OK;
  }

  @Get('open-and-required')
  @AllowAnonymous()
  @RequireKind('live')
  openAndRequired() {
    return OK;
  }

  @Get('session')
  @UseGuards(SessionAuthGuard)
  session() {
    return OK;
  }

  @Get('behind')
  @UseGuards(ScopeGuard)
  behind() {
    return OK;
  }
}

@Controller('inherited')
class InheritingController extends KindController {
  @Get('both')
  override both() {
    return OK;
  }
}

const ME: Me = { userId: '1', method: 'api_token', email: 'ada@example.com' };

@Controller()
@UseGuards(BearerAuthGuard)
class Messages {
  @MessagePattern({ cmd: 'scoped' })
  @RequireKind('live')
  scoped() {
    return ME;
  }
}

@Resolver(() => Me)
class KindResolver {
  @Query(() => Me)
  @RequireKind('live')
  scoped() {
    return ME;
  }

  @Mutation(() => Me, { name: 'scopedChanged' })
  @RequireKind('live')
  change() {
    return ME;
  }

  @Subscription(() => Me, { name: 'scopedChanged', resolve: (value: Me) => value })
  @RequireKind('live')
  async *changes() {
    yield ME;
  }
}

@WebSocketGateway()
@UseGuards(SigraAuthGuard)
class KindGateway {
  @SubscribeMessage('scoped')
  @RequireKind('live')
  scoped() {
    return { event: 'answer', data: ME };
  }
}

describe.each(ADAPTERS)('@RequireKind() on %s', (adapter) => {
  let test: JwtApp;
  let tokens: Record<'live' | 'test' | 'ci' | 'poor', string>;
  const ask = async (path: string, headers: Record<string, string> = {}) =>
    answerOf(await fetch(`${test.url}/${path}`, { headers }));
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const session = () => ({ 'x-session-user': test.user.id, origin: test.url });
  const accepted: Answer = { status: 200, challenge: null, body: OK };

  beforeAll(async () => {
    test = await startJwtApp({}, { adapter, sigra: APP, controllers: [KindController, InheritingController] });
    const create = async (kind: string, scopes = ['*']) =>
      (await test.tokens.create(test.user, { name: kind, scopes, kind })).rawToken;
    const [live, testing, ci] = [await create('live'), await create('test'), await create('ci')];
    tokens = { live, test: testing, ci, poor: await create('live', ['read:notes']) };
  });
  afterAll(() => test.close());

  it('accepts any of its kinds, and refuses others', async () => {
    expect(await ask('live/either', bearer(tokens.live))).toEqual(accepted);
    expect(await ask('live/either', bearer(tokens.test))).toEqual(accepted);
    expect(await ask('live/either', bearer(tokens.ci))).toEqual(otherKind('live or test'));
  });

  it('adds up on a controller, its handlers and its base classes', async () => {
    expect(await ask('live/both', bearer(tokens.live))).toEqual(accepted);
    expect(await ask('live/both', bearer(tokens.test))).toEqual(otherKind('live'));
    expect(await ask('inherited/either', bearer(tokens.ci))).toEqual(otherKind('live or test'));
    expect(await ask('inherited/both', bearer(tokens.test))).toEqual(otherKind('live'));
  });

  it('stands beside scopes', async () => {
    expect(await ask('live/scoped', bearer(tokens.live))).toEqual(accepted);
    expect(await ask('live/scoped', bearer(tokens.ci))).toEqual(otherKind('live or test'));
    expect(await ask('live/scoped', bearer(tokens.poor))).toEqual(insufficientScope(['write:notes'], ['write:notes']));
  });

  it('refuses sessions and JWTs, which have no kind', async () => {
    const { accessToken } = await test.jwt.generateTokens(test.user, ['*']);

    expect(await ask('live/either', session())).toEqual(otherKind('live or test'));
    expect(await ask('live/session', session())).toEqual(otherKind('live or test'));
    expect(await ask('live/either', bearer(accessToken))).toEqual(otherKind('live or test'));
  });

  it('refuses requests without a credential, and tokens that ended', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, { name: 'old', scopes: ['*'], kind: 'live' });
    await test.tokens.revoke(token.id);

    expect(await ask('live/either')).toEqual(UNAUTHORIZED);
    expect(await ask('live/optional')).toEqual(UNAUTHORIZED);
    expect(await ask('live/either', bearer(rawToken))).toEqual(INVALID_TOKEN);
  });

  it('is lifted by @AllowAnonymous() on a handler, but not where both stand', async () => {
    expect(await ask('live/open')).toEqual(accepted);
    expect(await ask('live/open-and-required')).toEqual(UNAUTHORIZED);
    expect(await ask('live/open-and-required', bearer(tokens.test))).toEqual(otherKind('live'));
  });

  it('is enforced by ScopeGuard behind another guard', async () => {
    expect(await ask('live/behind', bearer(tokens.ci))).toEqual(otherKind('live or test'));
    expect(await ask('live/behind', bearer(tokens.live))).toEqual(accepted);
  });
});

describe('@RequireKind() outside of HTTP', () => {
  let test: JwtApp;
  let hosts: ContextHosts;

  beforeAll(async () => {
    test = await startJwtApp({}, { sigra: APP });
    const { databaseUrl } = test;
    const shared = { databaseUrl, sigra: { ...APP, jwt: JWT }, adapter: 'fastify' as const };
    const express = await startHost({
      ...shared,
      adapter: 'express',
      controllers: [Messages],
      providers: [KindResolver, KindGateway],
      imports: [apollo()],
    });
    const tcpPort = await startTcp(express.app);
    const fastify = await startHost({ ...shared, providers: [KindResolver], imports: [mercurius()] });
    const prepare = (app: INestApplication) => void app.useWebSocketAdapter(new WsAdapter(app));
    const sockets = await startHost({ ...shared, providers: [KindGateway], prepare });
    const close = async () => {
      for (const host of [sockets, fastify, express]) await host.close();
    };
    hosts = { express, fastify, sockets, tcpPort, close };
  });
  afterAll(async () => {
    await hosts.close();
    await test.close();
  });

  it.each(CONTEXTS.filter(({ context }) => !context.startsWith('HTTP')))(
    'is enforced in the context $context',
    async ({ connect }) => {
      const outcomeFor = async (token: string) => {
        const client = await connect(hosts, { token });
        const outcome = await client.ask('scoped');
        await client.close();
        return outcome;
      };
      const outcomeForKind = async (kind: string) =>
        outcomeFor((await test.tokens.create(test.user, { name: kind, scopes: ['*'], kind })).rawToken);

      expect(await outcomeForKind('live')).toEqual(ME);
      expect(await outcomeForKind('ci')).toEqual(otherKind('live').body);
      const { accessToken } = await test.jwt.generateTokens(test.user, ['*']);
      expect(await outcomeFor(accessToken)).toEqual(otherKind('live').body);
    },
  );
});

describe('The check at boot of @RequireKind()', () => {
  let test: JwtApp;

  @Controller('bare')
  class BareController {
    @Get()
    @RequireKind('live')
    bare() {
      return OK;
    }
  }

  @Controller('unknown')
  class UnknownController {
    @Get()
    @RequireKind('live', 'prod')
    unknown() {
      return OK;
    }
  }

  @Controller('contradiction')
  @RequireKind('live')
  class ContradictingController {
    @Get()
    @RequireKind('live')
    @OptionalAuth()
    optional() {
      return OK;
    }
  }

  beforeAll(async () => {
    test = await startJwtApp({}, { sigra: APP });
  });
  afterAll(() => test.close());

  const boot = async (controller: Type<object>, guard: Type<SigraAuthGuard> | null, apiTokens: ApiTokenOptions) => {
    const { databaseUrl } = test;
    const sigra = { apiTokens, routes: 'error' } as const;
    const host = await startHost({ adapter: 'express', databaseUrl, controllers: [controller], guard, sigra });
    await host.close();
  };

  it.each([
    ['without a guard', BareController, null, APP.apiTokens, /bare requires a kind of tokens, but no guard enforces/],
    [
      'with an unknown name',
      UnknownController,
      SigraAuthGuard,
      APP.apiTokens,
      /unknown requires the kind prod, which is/,
    ],
    ['without kinds', BareController, SigraAuthGuard, { scopes: [] }, /bare requires the kind live, which is not in/],
    ['beside @OptionalAuth()', ContradictingController, SigraAuthGuard, APP.apiTokens, /requires scopes or a kind and/],
  ])('refuses a handler %s', async (_what, controller, guard, apiTokens, problem) => {
    await expect(boot(controller, guard, apiTokens)).rejects.toThrow(problem);
  });

  it('accepts a handler with a guard and a known kind', async () => {
    await expect(boot(BareController, SigraAuthGuard, APP.apiTokens)).resolves.toBeUndefined();
  });

  it('refuses a decorator without a name while the class is defined', () => {
    const untyped = RequireKind as (...given: unknown[]) => unknown;

    for (const given of [[], [''], ['live', 7]]) expect(() => untyped(...given)).toThrow(/needs names of kinds/);
  });
});
