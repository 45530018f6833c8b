import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ApiTokenService } from 'nestjs-sigra';
import { sigraModule, typeOrmModule } from '../host.js';
import type { VerifyFactory } from './contestant.js';

/** `ApiTokenService.verify`, which reads the token and its user. */
export const sigra: VerifyFactory = async (databaseUrl) => {
  @Module({ imports: [typeOrmModule(databaseUrl), sigraModule()] })
  class VerifyModule {}

  const app = await NestFactory.createApplicationContext(VerifyModule, { logger: false });
  const tokens = app.get(ApiTokenService);
  return { verify: (rawToken) => tokens.verify(rawToken), close: () => app.close() };
};
