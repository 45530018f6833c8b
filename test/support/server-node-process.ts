import 'reflect-metadata';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Controller, Get, HttpCode, Module, Post } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import {
  type Caller,
  CredentialService,
  CurrentCaller,
  CurrentPrincipal,
  type HostRequest,
  type Principal,
  sigraEntities,
  SigraAuthGuard,
  SigraJwtService,
  SigraModule,
} from 'nestjs-sigra';
import { trustIssuers } from 'nestjs-sigra/issuers';
import { setClock } from './wrong-clock.js';
import type { Holdings, ServerNodeSetup } from './server-node.js';

// The program of `ServerNode`.
const {
  adapter,
  databaseUrl,
  jwt,
  owners,
  endsSessions,
  lookupTimeout = 30_000,
  skew = 0,
  issuers,
  poolSize = 10,
  preparedStatements = true,
  cleanup,
  cutsConnections = true,
} = JSON.parse(process.argv[2] ?? '') as ServerNodeSetup;

setClock(skew);

@Entity(owners?.table ?? 'users')
class User {
  @PrimaryColumn('uuid')
  id!: string;

  @Column({ name: 'disabled_at', type: 'timestamptz', nullable: true })
  disabledAt!: Date | null;
}

/** The user that a header names, unless it has ended what the header stands for. */
async function livingId(dataSource: DataSource, header: string | readonly string[] | undefined) {
  const id = header as string | undefined;
  if (!endsSessions || id === undefined) return id;
  const ended: unknown[] = await dataSource.query('SELECT FROM ended_sessions WHERE user_id = $1', [id]);
  return ended.length === 0 ? id : undefined;
}

@Controller('me')
class MeController {
  constructor(
    private readonly credentials: CredentialService,
    private readonly jwts: SigraJwtService,
  ) {}

  @Get()
  me(@CurrentPrincipal() { userId }: Principal) {
    return { userId };
  }

  @Post('lock-out')
  @HttpCode(204)
  async lockOut(@CurrentPrincipal() { userId }: Principal, @CurrentCaller() caller: Caller) {
    await this.credentials.lockOut(userId, caller);
  }

  @Post('sign-out-everywhere')
  @HttpCode(204)
  async signOutEverywhere(@CurrentPrincipal() { userId }: Principal, @CurrentCaller() caller: Caller) {
    await this.jwts.signOutEverywhere(userId, caller);
  }
}

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: databaseUrl,
      entities: [User, ...sigraEntities],
      // On a busy machine a connection can take longer than a request may wait for it.
      retryAttempts: 5,
      retryDelay: 500,
      poolSize,
      connectTimeoutMS: Math.min(lookupTimeout, 5000),
    }),
    SigraModule.forRootAsync({
      controllers: {
        tokens: 'api/tokens',
        scopes: 'api/scopes',
        ...(jwt?.enabled && { oauth: 'oauth', jwt: 'api/jwt' }),
      },
      inject: [DataSource],
      useFactory: (dataSource: DataSource) => ({
        users: {
          entity: User,
          isActive: (user: User) => user.disabledAt === null,
          ...(owners && { type: owners.type }),
        },
        session: {
          userId: (request) => livingId(dataSource, request.headers['x-session-user']),
        },
        ...(endsSessions && {
          credentials: {
            resolve: async ({ headers }: HostRequest) => {
              const userId = await livingId(dataSource, headers['x-host-user']);
              return userId === undefined ? undefined : { userId, scopes: ['*'] };
            },
          },
        }),
        apiTokens: { scopes: ['read:notes', 'oauth:introspect'] },
        jwt,
        ...(issuers && { trustedIssuers: trustIssuers(issuers.map((each) => ({ ...each, owner: ({ sub }) => sub }))) }),
        cleanup: cleanup ?? { schedule: false },
        lookupTimeout,
        preparedStatements,
      }),
    }),
  ],
  controllers: [MeController],
  providers: [{ provide: APP_GUARD, useExisting: SigraAuthGuard }],
})
class NodeModule {}

const app = await NestFactory.create(NodeModule, adapter === 'fastify' ? new FastifyAdapter() : new ExpressAdapter(), {
  logger: false,
  // Otherwise a boot that fails says nothing.
  abortOnError: false,
  forceCloseConnections: cutsConnections,
});
app.enableShutdownHooks(['SIGTERM']);
const server = app.getHttpServer() as Server;
// Longer than clients keep idle connections, also on a busy machine.
server.keepAliveTimeout = 60_000;
server.prependListener('request', ({ url }: IncomingMessage, response: ServerResponse) => {
  response.once('close', () => {
    if (!response.writableFinished) process.send?.({ unanswered: String(url) });
  });
});
await app.listen(0, '127.0.0.1');
let turnBegan = process.cpuUsage();
let longestTurn = 0;
let isMeasuring = false;
function endTurn(): void {
  const { user, system } = process.cpuUsage(turnBegan);
  turnBegan = process.cpuUsage();
  longestTurn = Math.max(longestTurn, (user + system) / 1000);
}
process.on('message', (message) => {
  if (message !== 'holdings') return;
  const turn = Math.round(longestTurn);
  globalThis.gc?.();
  const resources = process.getActiveResourcesInfo();
  const count = (kind: string) => resources.filter((each) => each === kind).length;
  const { heapUsed: heap } = process.memoryUsage();
  const holdings = { heap, timers: count('Timeout'), sockets: count('TCPSocketWrap'), longestTurn: turn };
  process.send?.(holdings satisfies Holdings);
  if (!isMeasuring) setInterval(endTurn, 1).unref();
  isMeasuring = true;
  // Not this collection of garbage.
  turnBegan = process.cpuUsage();
  longestTurn = 0;
});
process.once('disconnect', () => void app.close().then(() => process.exit()));
process.send?.(await app.getUrl());
