import { describe, expect, it } from '@jest/globals';
import { Controller, type Provider, type Type, UseGuards } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Field, GraphQLModule, ID, ObjectType, Query, ResolveField, Resolver, Subscription } from '@nestjs/graphql';
import { EventPattern, MessagePattern } from '@nestjs/microservices';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { AllowAnonymous, RequireScopes, SigraAuthGuard } from 'nestjs-sigra';
import { startHost } from '../support/host-app.js';
import { startTestApp } from '../support/test-app.js';

@WebSocketGateway()
class UnscopedGateway {
  @SubscribeMessage('plain')
  plain() {
    return {};
  }
}

@WebSocketGateway()
@AllowAnonymous()
class OpenGateway extends UnscopedGateway {}

@WebSocketGateway()
@UseGuards(SigraAuthGuard)
class GreetingGateway {
  // Without rules of its own, for everybody who connects.
  handleConnection() {
    return undefined;
  }
}

@WebSocketGateway()
class GuardedHookGateway {
  @UseGuards(SigraAuthGuard)
  handleConnection() {
    return undefined;
  }
}

@Controller()
class UnscopedMessages {
  @EventPattern('plain')
  plain(event: unknown) {
    return event;
  }
}

@WebSocketGateway()
class BareGateway {
  @SubscribeMessage('scoped')
  @RequireScopes('admin')
  scoped() {
    return {};
  }
}

@WebSocketGateway()
@UseGuards(SigraAuthGuard)
class GuardedGateway {
  @SubscribeMessage('scoped')
  @RequireScopes('admin')
  scoped() {
    return {};
  }
}

@WebSocketGateway()
@UseGuards(SigraAuthGuard)
class ConnectingGateway {
  @RequireScopes('admin')
  handleConnection() {
    return undefined;
  }
}

@Controller()
class BareMessages {
  @MessagePattern('scoped')
  @RequireScopes('admin')
  scoped() {
    return {};
  }

  @EventPattern('happened')
  @RequireScopes('admin')
  happened(event: unknown) {
    return event;
  }
}

@Controller()
@UseGuards(SigraAuthGuard)
class GuardedMessages extends BareMessages {}

@ObjectType()
class Thing {
  @Field(() => ID) id!: string;
}

@Resolver(() => Thing)
class ThingResolver {
  @Query(() => Thing)
  @RequireScopes('admin')
  thing() {
    return { id: '1' };
  }

  @Subscription(() => Thing)
  @RequireScopes('admin')
  things() {
    return undefined;
  }
}

@Resolver(() => Thing)
class FieldResolver {
  @Query(() => Thing)
  other() {
    return { id: '1' };
  }

  @ResolveField(() => String)
  @UseGuards(SigraAuthGuard)
  @RequireScopes('admin')
  secret() {
    return 'secret';
  }
}

@Resolver(() => Thing)
class GuardedFieldResolver {
  @Query(() => Thing)
  more() {
    return { id: '1' };
  }

  @ResolveField(() => String)
  @UseGuards(SigraAuthGuard)
  secret() {
    return 'secret';
  }
}

@Resolver(() => Thing)
class UnregisteredResolver {
  @Query(() => Thing)
  @RequireScopes('read:things')
  misspelt() {
    return { id: '1' };
  }
}

const graphql = (fieldResolverEnhancers: ApolloDriverConfig['fieldResolverEnhancers'] = []): DynamicModule =>
  GraphQLModule.forRoot<ApolloDriverConfig>({ driver: ApolloDriver, autoSchemaFile: true, fieldResolverEnhancers });

interface Parts {
  readonly controllers?: Type<object>[];
  readonly providers?: Provider[];
  readonly imports?: DynamicModule[];
}

/** Boots an application with a global guard. */
async function boot(parts: Parts): Promise<void> {
  const test = await startTestApp();
  try {
    const host = await startHost({
      adapter: 'express',
      databaseUrl: test.databaseUrl,
      sigra: { routes: 'error' },
      ...parts,
    });
    await host.close();
  } finally {
    await test.close();
  }
}

describe('The check of handlers at boot, with a global guard', () => {
  it.each<[string, Parts, RegExp]>([
    ['a gateway', { providers: [BareGateway] }, /BareGateway\.scoped .* Nest 11 applies no global guard to gateways/],
    [
      'a handler of messages',
      { controllers: [BareMessages] },
      /BareMessages\.scoped .* only with inheritAppConfig: add @UseGuards\(SigraAuthGuard\)/,
    ],
    ['a handler of events', { controllers: [BareMessages] }, /BareMessages\.happened .* only with inheritAppConfig/],
    [
      'a hook of a gateway',
      { providers: [ConnectingGateway] },
      /ConnectingGateway\.handleConnection .* no guard runs before it/,
    ],
    [
      'a field whose guards Nest does not call',
      { providers: [FieldResolver], imports: [graphql()] },
      /FieldResolver\.secret .* add 'guards' to fieldResolverEnhancers/,
    ],
    [
      'a query of a resolver that a factory makes',
      {
        providers: [{ provide: 'RESOLVER', useFactory: () => new UnregisteredResolver() }],
        imports: [graphql()],
      },
      /UnregisteredResolver\.misspelt requires the scope read:things/,
    ],
    [
      'a query of a resolver that is a value',
      { providers: [{ provide: 'RESOLVER', useValue: new UnregisteredResolver() }], imports: [graphql()] },
      /UnregisteredResolver\.misspelt requires the scope read:things/,
    ],
    [
      'a query with a scope that is not registered',
      { providers: [UnregisteredResolver], imports: [graphql()] },
      /UnregisteredResolver\.misspelt requires the scope read:things/,
    ],
  ])('refuses scopes of %s', async (_what, parts, message) => {
    await expect(boot(parts)).rejects.toThrow(message);
  });

  it.each<[string, Parts, RegExp]>([
    [
      'a gateway without a guard',
      { providers: [UnscopedGateway] },
      /UnscopedGateway\.plain looks guarded, but Nest 11 applies no global guard to gateways/,
    ],
    [
      'a handler of events without a guard',
      { controllers: [UnscopedMessages] },
      /UnscopedMessages\.plain looks guarded, but a global guard reaches the message handlers of a hybrid application only/,
    ],
    [
      'a hook with a guard',
      { providers: [GuardedHookGateway] },
      /GuardedHookGateway\.handleConnection looks guarded, but no guard runs before it/,
    ],
    [
      'a field with a guard that Nest does not call',
      { providers: [GuardedFieldResolver], imports: [graphql()] },
      /GuardedFieldResolver\.secret looks guarded, but .* add 'guards' to fieldResolverEnhancers/,
    ],
  ])('refuses %s, which would be open', async (_what, parts, message) => {
    await expect(boot(parts)).rejects.toThrow(message);
  });

  it.each<[string, Parts]>([
    ['a gateway with a guard', { providers: [GuardedGateway] }],
    ['a gateway with a guard and a hook', { providers: [GreetingGateway] }],
    ['a gateway that says that it is open', { providers: [OpenGateway] }],
    ['handlers of messages with a guard', { controllers: [GuardedMessages] }],
    ['queries and subscriptions', { providers: [ThingResolver], imports: [graphql()] }],
    ['fields whose guards Nest calls', { providers: [FieldResolver], imports: [graphql(['guards'])] }],
  ])('accepts %s', async (_what, parts) => {
    await expect(boot(parts)).resolves.toBeUndefined();
  });
});
