import {
  type CanActivate,
  type DynamicModule,
  type INestApplication,
  type LoggerService,
  Module,
  type NestApplicationOptions,
  type Provider,
  type Type,
} from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { TypeOrmModule, type TypeOrmModuleOptions } from '@nestjs/typeorm';
import {
  sigraEntities,
  SigraAuthGuard,
  SigraModule,
  type SigraModuleExtras,
  type SigraModuleOptions,
} from 'nestjs-sigra';
import { type Adapter, SIGRA_OPTIONS, User } from './test-app.js';

export interface HostOptions {
  readonly adapter: Adapter;
  /** @default a free port */
  readonly port?: number;
  /** Whether Fastify uses HTTP/2 without TLS. @default false */
  readonly http2?: boolean;
  /** The setting of Express, and the option of Fastify, such as 'loopback'. @default off */
  readonly trustProxy?: boolean | string;
  /** The URL of a database that has the tables, such as a test application's. */
  readonly databaseUrl: string;
  /** Options of `SigraModule.forRoot()`, or the module itself. */
  readonly sigra?: (Partial<SigraModuleOptions<User>> & SigraModuleExtras) | DynamicModule;
  readonly typeOrm?: Partial<TypeOrmModuleOptions>;
  readonly controllers?: Type<object>[];
  readonly providers?: Provider[];
  /** The global guard, which is a provider of the application, or `null`. @default SigraAuthGuard */
  readonly guard?: Type<CanActivate> | null;
  /** Further modules of the application. */
  readonly imports?: (Type<object> | DynamicModule)[];
  /** Other options of `NestFactory.create()`. */
  readonly nest?: Pick<NestApplicationOptions, 'bodyParser' | 'rawBody'>;
  /** The application of Express that the adapter uses. @default its own */
  readonly express?: unknown;
  /** Receives all logs of the application. @default logs are discarded */
  readonly logger?: LoggerService;
  /** The steps of a host's `main.ts` between `create` and `listen`. */
  prepare?(app: INestApplication): void;
}

export interface HostApp {
  readonly app: INestApplication;
  readonly url: string;
  close(): Promise<void>;
}

/** Boots an application as a host's `main.ts` does: with `NestFactory`, the system's clock and its own settings. */
export async function startHost(options: HostOptions): Promise<HostApp> {
  const { sigra = {}, guard = SigraAuthGuard } = options;

  @Module({
    imports: [
      TypeOrmModule.forRoot({
        type: 'postgres',
        url: options.databaseUrl,
        entities: [User, ...sigraEntities],
        retryAttempts: 0,
        connectTimeoutMS: 10_000,
        ...options.typeOrm,
      } as TypeOrmModuleOptions),
      'module' in sigra ? sigra : SigraModule.forRoot({ ...SIGRA_OPTIONS, ...sigra }),
      ...(options.imports ?? []),
    ],
    controllers: [...(options.controllers ?? [])],
    providers: [...(guard ? [{ provide: APP_GUARD, useExisting: guard }] : []), ...(options.providers ?? [])],
  })
  class HostModule {}

  const adapter = options.adapter === 'express' ? expressAdapter(options) : fastifyAdapter(options);
  const app = await NestFactory.create(HostModule, adapter, {
    logger: options.logger ?? false,
    abortOnError: false,
    ...options.nest,
  });
  options.prepare?.(app);
  await app.listen(options.port ?? 0, '127.0.0.1');
  return { app, url: await app.getUrl(), close: () => app.close() };
}

function expressAdapter({ trustProxy, express }: HostOptions) {
  const adapter = new ExpressAdapter(express);
  if (trustProxy !== undefined) adapter.set('trust proxy', trustProxy);
  return adapter;
}

function fastifyAdapter({ http2, trustProxy = false }: HostOptions) {
  return http2 ? new FastifyAdapter({ http2 }) : new FastifyAdapter({ trustProxy });
}
