import { Controller, Get, Module, Post, type Type } from '@nestjs/common';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
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
  sigraMigrations,
  SigraModule,
  type SigraModuleExtras,
  type SigraModuleOptions,
} from 'nestjs-sigra';
import { APP_GUARD } from '@nestjs/core';
import { FakeClock } from 'nestjs-sigra/testing';
import { Column, type DataSource, Entity, PrimaryColumn } from 'typeorm';
import { createDatabase } from './database.js';

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

/** Routes of every kind: what a host writes on top of Sigra. */
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
  /** Join the database of another application. */
  readonly databaseUrl?: string;
  readonly sigra?: Partial<SigraModuleOptions<User>> & SigraModuleExtras;
  readonly controllers?: Type<object>[];
  readonly clock?: FakeClock;
  /** Connections to the database. @default 10 */
  readonly poolSize?: number;
  configure?(builder: TestingModuleBuilder): void;
}

/** The options that tests use unless they say otherwise. A session is the user's id in a header of its own. */
export const SIGRA_OPTIONS = {
  users: { entity: User, isActive: (user: User) => user.disabledAt === null },
  apiTokens: { scopes: ['read:notes', 'write:notes', 'admin'] },
  session: { userId: (request) => request.headers['x-session-user'] as string | undefined },
  cleanup: { schedule: false },
  // A slow machine is not an unreachable database.
  lookupTimeout: 30_000,
  controllers: { tokens: 'api/tokens', scopes: 'api/scopes' },
} satisfies SigraModuleOptions<User> & SigraModuleExtras;

/** Boots an application on a real HTTP server and a real database of its own. */
export async function startTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const database = options.databaseUrl ? undefined : await createDatabase();
  const databaseUrl = options.databaseUrl ?? (database as NonNullable<typeof database>).url;
  const clock = options.clock ?? new FakeClock();

  @Module({
    imports: [
      TypeOrmModule.forRoot({
        type: 'postgres',
        url: databaseUrl,
        entities: [User, ...sigraEntities],
        migrations: sigraMigrations,
        migrationsRun: database !== undefined,
        retryAttempts: 0,
        poolSize: options.poolSize ?? 10,
      }),
      SigraModule.forRoot({ ...SIGRA_OPTIONS, ...options.sigra }),
    ],
    controllers: [NoteController, ...(options.controllers ?? [])],
    providers: [{ provide: APP_GUARD, useExisting: SigraAuthGuard }],
  })
  class TestAppModule {}

  const builder = Test.createTestingModule({ imports: [TestAppModule] })
    .overrideProvider(Clock)
    .useValue(clock);
  options.configure?.(builder);
  const module = await builder.compile();
  const app =
    options.adapter === 'fastify'
      ? module.createNestApplication<NestFastifyApplication>(new FastifyAdapter())
      : module.createNestApplication<NestExpressApplication>(new ExpressAdapter());
  app.useLogger(false);
  const dataSource = app.get<DataSource>(getDataSourceToken());
  if (database) {
    await dataSource.query(
      `CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email text NOT NULL,
         password_hash text NOT NULL DEFAULT 'secret', disabled_at timestamptz)`,
    );
  }
  const addUser = async (email: string) => {
    const rows: { id: string }[] = await dataSource.query('INSERT INTO users (email) VALUES ($1) RETURNING id', [
      email,
    ]);
    return dataSource.getRepository(User).findOneByOrFail({ id: (rows[0] as { id: string }).id });
  };
  await app.listen(0, '127.0.0.1');

  return {
    app,
    url: (await app.getUrl()).replace('[::1]', '127.0.0.1'),
    dataSource,
    databaseUrl,
    tokens: app.get(ApiTokenService),
    clock,
    user: await addUser('ada@example.com'),
    addUser,
    get: (token) => app.get(token),
    close: async () => {
      await app.close();
      await database?.drop();
    },
  };
}
