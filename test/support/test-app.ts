import { randomUUID } from 'node:crypto';
import { Controller, type DynamicModule, Get, Module, Post, type Type } from '@nestjs/common';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import type { FastifyAdapter, NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import { getDataSourceToken } from '@nestjs/typeorm';
import {
  AllowAnonymous,
  ApiTokenService,
  Clock,
  CurrentPrincipal,
  CurrentUser,
  OptionalAuth,
  type Principal,
  RequireScopes,
  sigraEntities,
  SigraAuthGuard,
  SigraModule,
  type SigraModuleExtras,
  type SigraModuleOptions,
} from 'nestjs-sigra';
import { APP_GUARD } from '@nestjs/core';
import { FakeClock } from 'nestjs-sigra/testing';
import { Column, type DataSource, type DataSourceOptions, Entity, PrimaryColumn } from 'typeorm';
import { Connection } from './connection.js';
import type { TestDatabase } from './database.js';
import { createMigratedDatabase, USERS } from './migrated-database.js';

/** The host's user, as an application would have it. */
@Entity('users')
export class User {
  @PrimaryColumn({ type: 'uuid', default: () => 'gen_random_uuid()' })
  id!: string;

  @Column({ type: 'text' })
  email!: string;

  @Column({ name: 'password_hash', type: 'text', default: 'secret', select: false })
  passwordHash?: string;

  @Column({ name: 'disabled_at', type: 'timestamptz', nullable: true })
  disabledAt!: Date | null;
}

export type Adapter = 'express' | 'fastify';
export const ADAPTERS: readonly Adapter[] = ['express', 'fastify'];

/** Routes of every kind, as a host would write them. */
@Controller('notes')
class NoteController {
  @Get('me')
  me(@CurrentPrincipal() { userId, method, scopes, tokenId }: Principal, @CurrentUser('email') email: string) {
    return { userId, method, scopes, tokenId, email };
  }

  @Get()
  @RequireScopes('read:notes')
  list() {
    return { notes: [] };
  }

  @Post()
  @RequireScopes('write:notes')
  add() {
    return { added: true };
  }

  @Get('either')
  @RequireScopes({ any: ['write:notes', 'admin'] })
  either() {
    return { ok: true };
  }

  @Get('open')
  @AllowAnonymous()
  open() {
    return { open: true };
  }

  @Get('optional')
  @OptionalAuth()
  optional(@CurrentPrincipal() principal?: Principal) {
    return { userId: principal?.userId ?? null };
  }
}

export interface TestApp {
  readonly app: NestExpressApplication | NestFastifyApplication;
  /** `http://127.0.0.1:<port>` of the real server. */
  readonly url: string;
  readonly dataSource: DataSource;
  readonly databaseUrl: string;
  readonly tokens: ApiTokenService;
  readonly clock: FakeClock;
  readonly user: User;
  addUser(email: string): Promise<User>;
  get<T>(token: Type<T> | (abstract new (...args: never[]) => T)): T;
  close(): Promise<void>;
}

export interface TestAppOptions {
  readonly adapter?: Adapter;
  /** The database of another application to use. @default a new database */
  readonly databaseUrl?: string;
  readonly sigra?: Partial<SigraModuleOptions<User>> & SigraModuleExtras;
  readonly controllers?: Type<object>[];
  /** Further modules of the application. */
  readonly imports?: (Type<object> | DynamicModule)[];
  readonly providers?: Type<object>[];
  /** Whether the application has no global guard. @default false */
  readonly withoutGuard?: boolean;
  readonly clock?: FakeClock;
  /** Connections to the database. @default 10 */
  readonly poolSize?: number;
  /** Other options of the DataSource. */
  readonly connection?: Partial<DataSourceOptions>;
  configure?(builder: TestingModuleBuilder): void;
}

/** The default options of tests. A session is the user's id in the header `x-session-user`. */
export const SIGRA_OPTIONS = {
  users: { entity: User, isActive: (user: User) => user.disabledAt === null },
  apiTokens: { scopes: ['read:notes', 'write:notes', 'admin'] },
  session: { userId: (request) => request.headers['x-session-user'] as string | undefined },
  cleanup: { schedule: false },
  // A slow machine is not an unreachable database.
  lookupTimeout: 30_000,
  // Many specs have scopes of their own.
  routes: 'off',
  controllers: { tokens: 'api/tokens', scopes: 'api/scopes' },
} satisfies SigraModuleOptions<User> & SigraModuleExtras;

/** Removes the global guard, for tests of a controller's own guards: `configure: withoutGlobalGuard`. */
export function withoutGlobalGuard(builder: TestingModuleBuilder): void {
  builder.overrideProvider(SigraAuthGuard).useValue({ canActivate: () => true });
}

/** Boots an application on a real HTTP server and a real database of its own. */
export async function startTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const database = options.databaseUrl ? undefined : await createMigratedDatabase(USERS);
  const databaseUrl = options.databaseUrl ?? (database as TestDatabase).url;
  const connection = new Connection(databaseUrl, {
    entities: [User, ...sigraEntities],
    poolSize: options.poolSize,
    more: options.connection,
  });
  try {
    const test = await boot(options, connection.module);
    return {
      ...test,
      databaseUrl,
      close: async () => {
        await test.app.close();
        await database?.drop();
      },
    };
  } catch (error) {
    await connection.close();
    await database?.drop();
    throw error;
  }
}

async function boot(options: TestAppOptions, database: DynamicModule): Promise<Omit<TestApp, 'databaseUrl' | 'close'>> {
  const clock = options.clock ?? new FakeClock();

  @Module({
    imports: [database, SigraModule.forRoot({ ...SIGRA_OPTIONS, ...options.sigra }), ...(options.imports ?? [])],
    controllers: [...(options.withoutGuard ? [] : [NoteController]), ...(options.controllers ?? [])],
    providers: [
      ...(options.withoutGuard ? [] : [{ provide: APP_GUARD, useExisting: SigraAuthGuard }]),
      ...(options.providers ?? []),
    ],
  })
  class TestAppModule {}

  const builder = Test.createTestingModule({ imports: [TestAppModule] })
    .overrideProvider(Clock)
    .useValue(clock);
  options.configure?.(builder);
  const module = await builder.compile();
  const app =
    options.adapter === 'fastify'
      ? module.createNestApplication<NestFastifyApplication>(await fastifyAdapter())
      : module.createNestApplication<NestExpressApplication>(new ExpressAdapter());
  app.useLogger(false);
  const dataSource = app.get<DataSource>(getDataSourceToken());
  const addUser = async (email: string) => {
    const users = dataSource.getRepository(User);
    const id = randomUUID();
    await users.insert({ id, email });
    return users.findOneByOrFail({ id });
  };
  await app.listen(0, '127.0.0.1');

  return {
    app,
    url: (await app.getUrl()).replace('[::1]', '127.0.0.1'),
    dataSource,
    tokens: app.get(ApiTokenService),
    clock,
    user: await addUser('ada@example.com'),
    addUser,
    get: (token) => app.get(token),
  };
}

/** Most specs need Express only, and loading Fastify takes a tenth of the time of a short one. */
async function fastifyAdapter(): Promise<FastifyAdapter> {
  const { FastifyAdapter } = await import('@nestjs/platform-fastify');
  return new FastifyAdapter();
}
