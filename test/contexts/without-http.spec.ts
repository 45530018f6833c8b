import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Transport } from '@nestjs/microservices';
import { ApiTokenService, sigraEntities, SigraModule } from 'nestjs-sigra';
import { Connection } from '../support/connection.js';
import { JWT } from '../support/jwt-app.js';
import { SIGRA_OPTIONS, startTestApp, type TestApp, User } from '../support/test-app.js';

/** The module of an application whose scripts and workers share it with the HTTP server. */
function moduleOf(databaseUrl: string) {
  @Module({
    imports: [
      new Connection(databaseUrl, { entities: [User, ...sigraEntities] }).module,
      SigraModule.forRoot({
        ...SIGRA_OPTIONS,
        jwt: JWT,
        owners: { organization: { provider: { findByIds: (ids) => Promise.resolve(ids.map((id) => ({ id }))) } } },
        canManage: () => false,
        admin: { canAdminister: () => false },
        leaks: { keysUrl: 'https://keys.example' },
        cleanup: { schedule: '* * * * *' },
        routes: 'error',
        controllers: {
          tokens: 'api/tokens',
          owners: 'api/owners',
          admin: 'api/admin/tokens',
          scopes: 'api/scopes',
          jwt: 'api/jwt',
          oauth: 'oauth',
          jwks: '.well-known',
          leaks: 'leaks',
        },
      }),
    ],
  })
  class SharedModule {}
  return SharedModule;
}

const kinds: { kind: string; start(module: ReturnType<typeof moduleOf>): Promise<INestApplicationContext> }[] = [
  {
    kind: 'an application context',
    start: (module) => NestFactory.createApplicationContext(module, { logger: false, abortOnError: false }),
  },
  {
    kind: 'a microservice',
    start: async (module) => {
      const options = { transport: Transport.TCP, options: { host: '127.0.0.1', port: 0 } };
      const app = await NestFactory.createMicroservice(module, { ...options, logger: false, abortOnError: false });
      await app.listen();
      return app;
    },
  },
];

describe.each(kinds)('With all ready-made controllers, $kind', ({ start }) => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test.close());

  it('boots without an HTTP server, and makes a token', async () => {
    const app = await start(moduleOf(test.databaseUrl));

    const { rawToken } = await app.get(ApiTokenService).create(test.user, { name: 'Script', scopes: ['read:notes'] });
    await app.close();

    await expect(test.tokens.verify(rawToken)).resolves.toMatchObject({ ownerId: test.user.id });
  });
});
