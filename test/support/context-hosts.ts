import type { AddressInfo, Server } from 'node:net';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Controller, type DynamicModule, Get, type INestApplication, UseGuards } from '@nestjs/common';
import { Field, GraphQLModule, ID, Mutation, ObjectType, Query, Resolver, Subscription } from '@nestjs/graphql';
import { MercuriusDriver, type MercuriusDriverConfig } from '@nestjs/mercurius';
import { Ctx, MessagePattern, Payload, type TcpContext, Transport } from '@nestjs/microservices';
import { WsAdapter } from '@nestjs/platform-ws';
import { ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  AllowOwners,
  type AnyPrincipal,
  CurrentPrincipal,
  CurrentUser,
  type Principal,
  RequireScopes,
  type ResourceFinder,
  SigraAuthGuard,
} from 'nestjs-sigra';
import { type HostApp, type HostOptions, startHost } from './host-app.js';
import type { TestApp, User } from './test-app.js';

/** The answer of a handler to the caller that it sees, in every context. */
@ObjectType()
export class Me {
  @Field(() => ID) userId!: string;
  @Field() method!: string;
  @Field() email!: string;
}

const meOf = ({ userId, method }: Principal, { email }: User): Me => ({ userId, method, email });

const ofOwner = ({ owner, method }: AnyPrincipal): Me =>
  meOf({ userId: owner?.id, method } as Principal, owner?.entity as User);

/** Owners besides users, which exist with every id that users have. */
export const ORGANIZATIONS = {
  findByIds: (ids: readonly string[]) => Promise.resolve(ids.map((id) => ({ id, email: 'acme@example.com' }))),
};

/** Of the calls of all contexts that require scopes. */
export const RESOURCE = 'note:1';
const resourceOfCall: ResourceFinder = (context) => (context.getClass().name === '' ? '' : RESOURCE);

@Controller('context')
export class ContextController {
  @Get('me')
  me(@CurrentPrincipal() principal: Principal, @CurrentUser() user: User) {
    return meOf(principal, user);
  }

  @Get('scoped')
  @RequireScopes('write:notes', { resource: resourceOfCall })
  scoped(@CurrentPrincipal() principal: Principal, @CurrentUser() user: User) {
    return meOf(principal, user);
  }

  @Get('owned')
  @AllowOwners('user', 'organization')
  owned(@CurrentPrincipal() principal: AnyPrincipal) {
    return ofOwner(principal);
  }
}

@Resolver(() => Me)
export class ContextResolver {
  @Query(() => Me)
  me(@CurrentPrincipal() principal: Principal, @CurrentUser() user: User) {
    return meOf(principal, user);
  }

  @Query(() => Me)
  @RequireScopes('write:notes', { resource: resourceOfCall })
  scoped(@CurrentPrincipal() principal: Principal, @CurrentUser() user: User) {
    return meOf(principal, user);
  }

  @Mutation(() => Me, { name: 'meChanged' })
  change(@CurrentPrincipal() principal: Principal, @CurrentUser() user: User) {
    return meOf(principal, user);
  }

  @Mutation(() => Me, { name: 'scopedChanged' })
  @RequireScopes('write:notes', { resource: resourceOfCall })
  changeScoped(@CurrentPrincipal() principal: Principal, @CurrentUser() user: User) {
    return meOf(principal, user);
  }

  @Subscription(() => Me, { name: 'meChanged', resolve: (value: Me) => value })
  async *meChanged(@CurrentPrincipal() principal: Principal, @CurrentUser() user: User) {
    yield meOf(principal, user);
  }

  @Subscription(() => Me, { name: 'scopedChanged', resolve: (value: Me) => value })
  @RequireScopes('write:notes', { resource: resourceOfCall })
  async *scopedChanged(@CurrentPrincipal() principal: Principal, @CurrentUser() user: User) {
    yield meOf(principal, user);
  }

  @Query(() => Me)
  @AllowOwners('user', 'organization')
  owned(@CurrentPrincipal() principal: AnyPrincipal) {
    return ofOwner(principal);
  }

  @Mutation(() => Me, { name: 'ownedChanged' })
  @AllowOwners('user', 'organization')
  changeOwned(@CurrentPrincipal() principal: AnyPrincipal) {
    return ofOwner(principal);
  }

  @Subscription(() => Me, { name: 'ownedChanged', resolve: (value: Me) => value })
  @AllowOwners('user', 'organization')
  async *ownedChanged(@CurrentPrincipal() principal: AnyPrincipal) {
    yield ofOwner(principal);
  }
}

@WebSocketGateway()
@UseGuards(SigraAuthGuard)
export class ContextGateway {
  @SubscribeMessage('me')
  me(@CurrentPrincipal() principal: Principal, @CurrentUser() user: User) {
    return { event: 'answer', data: meOf(principal, user) };
  }

  @SubscribeMessage('scoped')
  @RequireScopes('write:notes', { resource: resourceOfCall })
  scoped(@CurrentPrincipal() principal: Principal, @CurrentUser() user: User) {
    return { event: 'answer', data: meOf(principal, user) };
  }

  @SubscribeMessage('arguments')
  echo(@ConnectedSocket() client: object, @MessageBody() body: unknown, @CurrentUser('email') email: string) {
    return { event: 'answer', data: { client: typeof client, body, email } };
  }

  @SubscribeMessage('owned')
  @AllowOwners('user', 'organization')
  owned(@CurrentPrincipal() principal: AnyPrincipal) {
    return { event: 'answer', data: ofOwner(principal) };
  }
}

@Controller()
@UseGuards(SigraAuthGuard)
export class ContextMessages {
  @MessagePattern({ cmd: 'me' })
  me(@CurrentPrincipal() principal: Principal, @CurrentUser() user: User) {
    return meOf(principal, user);
  }

  @MessagePattern({ cmd: 'scoped' })
  @RequireScopes('write:notes', { resource: resourceOfCall })
  scoped(@CurrentPrincipal() principal: Principal, @CurrentUser() user: User) {
    return meOf(principal, user);
  }

  @MessagePattern('arguments')
  echo(@Payload() body: unknown, @Ctx() context: TcpContext, @CurrentUser('email') email: string) {
    return { body, pattern: context.getPattern(), email };
  }

  @MessagePattern({ cmd: 'owned' })
  @AllowOwners('user', 'organization')
  owned(@CurrentPrincipal() principal: AnyPrincipal) {
    return ofOwner(principal);
  }
}

/** Applications with a handler in each context. */
export interface ContextHosts {
  /** Express, Apollo, socket.io, and TCP beside it. */
  readonly express: HostApp;
  /** Fastify and Mercurius. */
  readonly fastify: HostApp;
  /** Fastify and ws: its adapter of Nest refuses the upgrades of all other paths. */
  readonly sockets: HostApp;
  readonly tcpPort: number;
  close(): Promise<void>;
}

export async function startContextHosts(
  { databaseUrl }: Pick<TestApp, 'databaseUrl'>,
  sigra: HostOptions['sigra'] = {},
): Promise<ContextHosts> {
  const owners = { organization: { provider: ORGANIZATIONS } };
  const shared = { databaseUrl, sigra: { owners, ...sigra }, controllers: [ContextController] };
  const express = await startHost({
    ...shared,
    adapter: 'express',
    controllers: [ContextController, ContextMessages],
    providers: [ContextResolver, ContextGateway],
    imports: [apollo()],
  });
  const tcpPort = await startTcp(express.app);
  const fastify = await startHost({
    ...shared,
    adapter: 'fastify',
    providers: [ContextResolver],
    imports: [mercurius()],
  });
  const sockets = await startHost({
    ...shared,
    adapter: 'fastify',
    providers: [ContextGateway],
    prepare: (app) => app.useWebSocketAdapter(new WsAdapter(app)),
  });
  const close = async () => {
    for (const host of [sockets, fastify, express]) await host.close();
  };
  return { express, fastify, sockets, tcpPort, close };
}

/** Apollo in an application that configures nothing for Sigra. */
export function apollo(): DynamicModule {
  return GraphQLModule.forRoot<ApolloDriverConfig>({
    driver: ApolloDriver,
    autoSchemaFile: true,
    subscriptions: { 'graphql-ws': true },
  });
}

/** Mercurius in an application that configures nothing for Sigra. */
export function mercurius(): DynamicModule {
  return GraphQLModule.forRoot<MercuriusDriverConfig>({
    driver: MercuriusDriver,
    autoSchemaFile: true,
    subscription: true,
  });
}

/** Starts a TCP microservice beside an application. @returns its port */
export async function startTcp(app: INestApplication): Promise<number> {
  const microservice = app.connectMicroservice({ transport: Transport.TCP, options: { host: '127.0.0.1', port: 0 } });
  await microservice.listen();
  const { port } = microservice.unwrap<Server>().address() as AddressInfo;
  return port;
}
