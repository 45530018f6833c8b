// Compiled to ES modules: what it uses of the package is loaded with import.
import 'reflect-metadata';
import { type CallHandler, type ExecutionContext, Module } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import * as imported from 'nestjs-sigra';
import { GuardedController, LegacyController, LegacyService, required } from './legacy.cjs';

/** What the application takes from the legacy part, beside its decorators. */
const uses = process.env.USES;

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: process.env.DATABASE_URL ?? '',
      entities: [...imported.sigraEntities],
      migrations: [...imported.sigraMigrations],
      migrationsRun: true,
    }),
    imported.SigraModule.forRoot({
      users: { provider: { findByIds: async (ids: readonly string[]) => ids.map((id) => ({ id })) }, id: 'id' },
      apiTokens: { scopes: ['read:projects', 'write:projects'] },
    }),
  ],
  controllers: [LegacyController, ...(uses === 'guard' ? [GuardedController] : [])],
  providers: [
    { provide: APP_GUARD, useExisting: imported.SigraAuthGuard },
    ...(uses === 'service' ? [LegacyService] : []),
  ],
})
class AppModule {}

async function report() {
  const app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
  const keys: (string | undefined)[] = [];
  app.useGlobalInterceptors({
    intercept(context: ExecutionContext, next: CallHandler) {
      keys.push(imported.perPrincipal(context, '/'), required.perPrincipal(context, '/'));
      return next.handle();
    },
  });
  await app.listen(0, '127.0.0.1');
  const tokens = app.get(imported.ApiTokenService);
  const { rawToken } = await tokens.create({ id: 'ada' }, { name: 'bundle', scopes: ['read:projects'] });
  const ask = async (path: string) => {
    const response = await fetch((await app.getUrl()) + path, { headers: { authorization: `Bearer ${rawToken}` } });
    return { status: response.status, body: await response.json() };
  };
  const answers = [await ask('/legacy'), await ask('/legacy/secret')];
  const error: unknown = await tokens.verify('unknown').catch((reason: unknown) => reason);
  await app.close();
  const recognized = [error instanceof imported.SigraError, error instanceof required.SigraError];
  return { answers, recognized, keys: new Set(keys).size };
}

const copies = Object.is(imported.SigraModule, required.SigraModule) ? 1 : 2;
report()
  .catch((error: Error) => ({ refused: error.message }))
  .then((outcome) => {
    console.log(JSON.stringify({ copies, ...outcome }));
    // The connections of an application that did not boot stay open.
    process.exit();
  });
