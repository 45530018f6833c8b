import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Test, type TestingModule } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ApiTokenService, sigraEntities, sigraMigrations, SigraModule } from 'nestjs-sigra';
import { assertTokenRevoked, createApiToken, expiredApiToken } from 'nestjs-sigra/testing';
import { createDatabase, type TestDatabase } from '../support/database.js';

describe('the testing kit in a TestingModule with a named DataSource', () => {
  let database: TestDatabase;
  let module: TestingModule;

  beforeAll(async () => {
    database = await createDatabase();
    module = await Test.createTestingModule({
      imports: [
        TypeOrmModule.forRoot({
          name: 'auth',
          type: 'postgres',
          url: database.url,
          entities: sigraEntities,
          migrations: sigraMigrations,
          migrationsRun: true,
        }),
        SigraModule.forRoot({
          dataSource: 'auth',
          users: { provider: { findByIds: async (ids) => ids.map((id) => ({ id })) } },
          cleanup: { schedule: false },
        }),
      ],
    }).compile();
    await module.init();
  });
  afterAll(async () => {
    await module.close();
    await database.drop();
  });

  it('finds the tokens in that DataSource', async () => {
    const expired = await expiredApiToken(module, 'ada');
    const revoked = await createApiToken(module, 'ada');
    await module.get(ApiTokenService).revoke(revoked.token.id);

    await expect(module.get(ApiTokenService).verify(expired.rawToken)).rejects.toMatchObject({ code: 'token_expired' });
    await assertTokenRevoked(module, revoked.token);
  });
});
