import { type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { sigraModule, typeOrmModule } from './host.js';

/** Sigra in a host without HTTP. */
export function startSigra(databaseUrl: string): Promise<INestApplicationContext> {
  @Module({ imports: [typeOrmModule(databaseUrl), sigraModule()] })
  class SigraHostModule {}

  return NestFactory.createApplicationContext(SigraHostModule, { logger: false });
}
