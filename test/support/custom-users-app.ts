import { Controller, type DynamicModule, Get, type Provider, type Type, UseGuards } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import { getDataSourceToken } from '@nestjs/typeorm';
import {
  ApiTokenService,
  CurrentUser,
  sigraEntities,
  SigraAuthGuard,
  SigraModule,
  type SigraModuleOptions,
  type UserRef,
} from 'nestjs-sigra';
import type { DataSource } from 'typeorm';
import { ApiTokenRepository } from '../../libs/sigra/src/persistence/api-token.repository.js';
import { ApiTokenRevoker } from '../../libs/sigra/src/tokens/api-token.revoker.js';
import { SigraDatabase } from '../../libs/sigra/src/persistence/sigra-database.js';
import { Connection } from './connection.js';
import { createMigratedDatabase } from './migrated-database.js';

export interface CustomUsersApp {
  readonly dataSource: DataSource;
  readonly tokens: ApiTokenService;
  /** The user that a guarded handler gets for a raw token, or the status of the refusal. */
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
}

/** Boots an application with users of any kind. */
export async function startCustomUsersApp<User extends object>(
  options: CustomUsersOptions<User>,
): Promise<CustomUsersApp> {
  const database = await createMigratedDatabase(options.sql);
  const connection = new Connection(database.url, { entities: [...(options.entities ?? []), ...sigraEntities] });
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
    whoami(@CurrentUser() user: object): void {
      found = user;
    }
  }

  const module = await Test.createTestingModule({
    imports: [
      database,
      SigraModule.forRoot({
        users: options.users,
        apiTokens: { scopes: ['read:notes'] },
        cleanup: { schedule: false },
        lookupTimeout: options.lookupTimeout ?? 30_000,
      }),
    ],
    controllers: [WhoamiController],
    providers: options.providers ?? [],
  }).compile();
  const app = module.createNestApplication<NestExpressApplication>({ logger: false });
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  const tokens = app.get(ApiTokenService);

  const userBehind = async (rawToken: string) => {
    found = undefined;
    const { status } = await fetch(`${url}/whoami`, { headers: { authorization: `Bearer ${rawToken}` } });
    return status === 200 ? found : status;
  };
  return {
    dataSource: app.get<DataSource>(getDataSourceToken()),
    tokens,
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
