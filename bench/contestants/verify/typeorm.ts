import { createHash } from 'node:crypto';
import { ApiTokenEntity } from 'nestjs-sigra';
import { isLive } from '../is-live.js';
import { typeOrmDataSource } from '../host.js';
import type { VerifyFactory } from './contestant.js';

/** What a service by hand does: hash, `findOneBy`, look at the dates. It reads the token only. */
export const typeorm: VerifyFactory = async (databaseUrl) => {
  const dataSource = await typeOrmDataSource(databaseUrl);
  const tokens = dataSource.getRepository(ApiTokenEntity);
  return {
    verify: async (rawToken) => {
      const tokenHash = createHash('sha256').update(rawToken).digest();
      if (!isLive(await tokens.findOneBy({ tokenHash }))) throw new Error('TypeORM: the token is not good');
    },
    close: () => dataSource.destroy(),
  };
};
