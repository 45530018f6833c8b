import { describe, expect, it } from '@jest/globals';
import { Controller, type Type, UseGuards } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Field, GraphQLModule, ID, ObjectType, Query, ResolveField, Resolver, Subscription } from '@nestjs/graphql';
import { EventPattern, MessagePattern } from '@nestjs/microservices';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { RequireScopes, SigraAuthGuard } from 'nestjs-sigra';
import { startHost } from '../support/host-app.js';
import { startTestApp } from '../support/test-app.js';

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
  readonly providers?: Type<object>[];
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
      'a query with a scope that is not registered',
      { providers: [UnregisteredResolver], imports: [graphql()] },
      /UnregisteredResolver\.misspelt requires the scope read:things/,
    ],
  ])('refuses scopes of %s', async (_what, parts, message) => {
    await expect(boot(parts)).rejects.toThrow(message);
  });

  it.each<[string, Parts]>([
    ['a gateway with a guard', { providers: [GuardedGateway] }],
    ['handlers of messages with a guard', { controllers: [GuardedMessages] }],
    ['queries and subscriptions', { providers: [ThingResolver], imports: [graphql()] }],
    ['fields whose guards Nest calls', { providers: [FieldResolver], imports: [graphql(['guards'])] }],
  ])('accepts scopes of %s', async (_what, parts) => {
    await expect(boot(parts)).resolves.toBeUndefined();
  });
});
