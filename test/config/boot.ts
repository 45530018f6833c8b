import { ConsoleLogger, type INestApplicationContext, type ModuleMetadata, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { sigraEntities, sigraMigrations } from 'nestjs-sigra';
import type { DataSourceOptions } from 'typeorm';

/** A connection as a host of Sigra's has it. */
export function connection(url: string, options: { name?: string; entities?: readonly unknown[] } = {}) {
  const { name, entities = sigraEntities } = options;
  return TypeOrmModule.forRoot({
    ...(name === undefined ? {} : { name }),
    type: 'postgres',
    url,
    entities: entities as Type<object>[],
    migrations: sigraMigrations,
    migrationsRun: true,
    retryAttempts: 0,
  } satisfies DataSourceOptions & { name?: string; retryAttempts: number });
}

/** Boots an application of these modules, without a server. */
export async function boot(metadata: ModuleMetadata): Promise<INestApplicationContext> {
  const module = await Test.createTestingModule(metadata)
    .setLogger(new ConsoleLogger({ logLevels: [] }))
    .compile();
  return module.init();
}
