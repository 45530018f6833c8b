import { type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { SigraModuleOptions } from 'nestjs-sigra';
import { sigraModule, typeOrmModule, type User } from './host.js';

/** Sigra in a host without HTTP. */
export function startSigra(
  databaseUrl: string,
  options?: Partial<SigraModuleOptions<User>>,
): Promise<INestApplicationContext> {
  @Module({ imports: [typeOrmModule(databaseUrl), sigraModule(options)] })
  class SigraHostModule {}

  return NestFactory.createApplicationContext(SigraHostModule, { logger: false });
}
