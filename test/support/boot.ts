import {
  ConsoleLogger,
  type DynamicModule,
  type INestApplicationContext,
  type ModuleMetadata,
  type Type,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { sigraEntities, sigraMigrations } from 'nestjs-sigra';
import { Connection } from './connection.js';

/** The TypeORM module of a host that runs Sigra's migrations at boot. */
export function connection(
  url: string,
  { name, entities = sigraEntities }: { name?: string; entities?: readonly unknown[] } = {},
): DynamicModule {
  return new Connection(url, { name, entities: entities as Type<object>[], migrations: sigraMigrations }).module;
}

/** Boots an application of these modules, without a server and without logs. */
export async function boot(metadata: ModuleMetadata): Promise<INestApplicationContext> {
  const module = await Test.createTestingModule(metadata)
    .setLogger(new ConsoleLogger({ logLevels: [] }))
    .compile();
  return module.init();
}
