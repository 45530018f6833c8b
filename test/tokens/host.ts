import { Controller, Get, type Provider, type Type, UseGuards } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import {
  ApiTokenService,
  CurrentUser,
  sigraEntities,
  SigraAuthGuard,
  sigraMigrations,
  SigraModule,
  type SigraModuleOptions,
  type UserRef,
} from 'nestjs-sigra';
import type { DataSource } from 'typeorm';
import { CredentialReader } from '../../libs/sigra/src/persistence/credential-reader.js';
import { createDatabase } from '../support/database.js';

export interface Host {
  readonly dataSource: DataSource;
  readonly tokens: ApiTokenService;
  /** The user that a guarded handler finds for a raw token, or the status of the refusal. */
  userBehind(rawToken: string): Promise<unknown>;
  readonly credentials: CredentialReader;
  /** The same for a token made for this owner. */
  userOf(owner: UserRef): Promise<unknown>;
  close(): Promise<void>;
}

export interface HostOptions<User extends object> {
  readonly users: SigraModuleOptions<User>['users'];
  readonly entities?: Type<object>[];
  readonly providers?: Provider[];
  /** In milliseconds. @default 30_000: a slow machine is not an unreachable database */
  readonly lookupTimeout?: number;
  /** Makes and fills the host's tables. */
  readonly sql?: string;
}

/** An application with users of any kind. */
export async function startHost<User extends object>(options: HostOptions<User>): Promise<Host> {
  let found: unknown;

  @Controller()
  @UseGuards(SigraAuthGuard)
  class WhoamiController {
    @Get('whoami')
    whoami(@CurrentUser() user: object): void {
      found = user;
    }
  }

  const database = await createDatabase();
  const module = await Test.createTestingModule({
    imports: [
      TypeOrmModule.forRoot({
        type: 'postgres',
        url: database.url,
        entities: [...(options.entities ?? []), ...sigraEntities],
        migrations: sigraMigrations,
        migrationsRun: true,
        retryAttempts: 0,
      }),
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
  const dataSource = app.get<DataSource>(getDataSourceToken());
  const close = async () => {
    await app.close();
    await database.drop();
  };
  try {
    if (options.sql) await dataSource.query(options.sql);
    await app.listen(0, '127.0.0.1');
  } catch (error) {
    await close();
    throw error;
  }
  const url = await app.getUrl();
  const tokens = app.get(ApiTokenService);

  const userBehind = async (rawToken: string) => {
    found = undefined;
    const { status } = await fetch(`${url}/whoami`, { headers: { authorization: `Bearer ${rawToken}` } });
    return status === 200 ? found : status;
  };
  return {
    dataSource,
    tokens,
    userBehind,
    credentials: app.get(CredentialReader),
    userOf: async (owner) => {
      const { rawToken } = await tokens.create(owner, { name: 'CI', scopes: ['read:notes'] });
      return userBehind(rawToken);
    },
    close,
  };
}
