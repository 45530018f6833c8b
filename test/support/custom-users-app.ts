import {
  Controller,
  type DynamicModule,
  Get,
  type LoggerService,
  type Provider,
  type Type,
  UseGuards,
} from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import { getDataSourceToken } from '@nestjs/typeorm';
import {
  ApiTokenService,
  CurrentUser,
  sigraEntities,
  SigraAuthGuard,
  SigraJwtService,
  SigraModule,
  type SigraModuleOptions,
  type UserRef,
} from 'nestjs-sigra';
import type { DataSource, DataSourceOptions } from 'typeorm';
import { ApiTokenRepository } from '../../libs/sigra/src/persistence/api-token.repository.js';
import { ApiTokenRevoker } from '../../libs/sigra/src/tokens/api-token.revoker.js';
import { SigraDatabase } from '../../libs/sigra/src/persistence/sigra-database.js';
import { Connection } from './connection.js';
import { JWT } from './jwt-app.js';
import { createMigratedDatabase } from './migrated-database.js';

export interface CustomUsersApp {
  readonly dataSource: DataSource;
  readonly tokens: ApiTokenService;
  readonly jwt: SigraJwtService;
  /** Requests a route that answers with the name of its user. */
  request(headers: Record<string, string>): Promise<Response>;
  /** The user that a guarded handler gets for a session of this user, or the status of the refusal. */
  userOfSession(id: string): Promise<unknown>;
  /** The user that a guarded handler gets for a raw token or a JWT, or the status of the refusal. */
  userBehind(rawToken: string): Promise<unknown>;
  readonly repository: ApiTokenRepository;
  readonly database: SigraDatabase;
  readonly revoker: ApiTokenRevoker;
  /** The same for a new token of this owner. */
  userOf(owner: UserRef): Promise<unknown>;
  close(): Promise<void>;
}

export interface CustomUsersOptions<User extends object> {
  readonly users: SigraModuleOptions<User>['users'];
  readonly entities?: Type<object>[];
  readonly providers?: Provider[];
  /** In milliseconds. @default 30_000: a slow machine is not an unreachable database */
  readonly lookupTimeout?: number;
  /** Creates and fills the host's tables. */
  readonly sql?: string;
  /** Further options of the DataSource. */
  readonly connection?: Partial<DataSourceOptions>;
  /** Receives the logs of the application. @default logs are discarded */
  readonly logger?: LoggerService;
}

/** Boots an application with users of any kind. */
export async function startCustomUsersApp<User extends object>(
  options: CustomUsersOptions<User>,
): Promise<CustomUsersApp> {
  const database = await createMigratedDatabase(options.sql);
  const connection = new Connection(database.url, {
    entities: [...(options.entities ?? []), ...sigraEntities],
    more: options.connection,
  });
  try {
    const app = await boot(options, connection.module);
    return {
      ...app,
      close: async () => {
        await app.close();
        await database.drop();
      },
    };
  } catch (error) {
    await connection.close();
    await database.drop();
    throw error;
  }
}

async function boot<User extends object>(
  options: CustomUsersOptions<User>,
  database: DynamicModule,
): Promise<CustomUsersApp> {
  let found: unknown;

  @Controller()
  @UseGuards(SigraAuthGuard)
  class WhoamiController {
    @Get('whoami')
    whoami(@CurrentUser() user: object): { name: unknown } {
      found = user;
      return { name: (user as { name?: unknown }).name };
    }
  }

  const builder = Test.createTestingModule({
    imports: [
      database,
      SigraModule.forRoot({
        users: options.users,
        apiTokens: { scopes: ['read:notes'] },
        jwt: JWT,
        session: { userId: (request) => request.headers['x-session-user'] as string | undefined },
        cleanup: { schedule: false },
        lookupTimeout: options.lookupTimeout ?? 30_000,
      }),
    ],
    controllers: [WhoamiController],
    providers: options.providers ?? [],
  });
  if (options.logger) builder.setLogger(options.logger);
  const module = await builder.compile();
  const app = module.createNestApplication<NestExpressApplication>({ logger: options.logger ?? false });
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  const tokens = app.get(ApiTokenService);

  const request = (headers: Record<string, string>) => fetch(`${url}/whoami`, { headers });
  const userOfRequest = async (headers: Record<string, string>) => {
    found = undefined;
    const { status } = await request(headers);
    return status === 200 ? found : status;
  };
  const userBehind = (credential: string) => userOfRequest({ authorization: `Bearer ${credential}` });
  return {
    dataSource: app.get<DataSource>(getDataSourceToken()),
    tokens,
    jwt: app.get(SigraJwtService),
    request,
    userOfSession: (id) => userOfRequest({ 'x-session-user': id }),
    userBehind,
    repository: app.get(ApiTokenRepository),
    database: app.get(SigraDatabase),
    revoker: app.get(ApiTokenRevoker),
    userOf: async (owner) => {
      const { rawToken } = await tokens.create(owner, { name: 'CI', scopes: ['read:notes'] });
      return userBehind(rawToken);
    },
    close: () => app.close(),
  };
}
