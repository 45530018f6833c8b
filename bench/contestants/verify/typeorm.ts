import { createHash } from 'node:crypto';
import { HandWrittenToken } from '../api-token.entity.js';
import { isLive } from '../is-live.js';
import { typeOrmDataSource } from '../host.js';
import type { VerifyFactory } from './contestant.js';

/** A hand-written service: hash, `findOneBy`, compare the dates. It reads only the token. */
export const typeorm: VerifyFactory = async (databaseUrl) => {
  const dataSource = await typeOrmDataSource(databaseUrl);
  const tokens = dataSource.getRepository(HandWrittenToken);
  return {
    verify: async (rawToken) => {
      const tokenHash = createHash('sha256').update(rawToken).digest();
      if (!isLive(await tokens.findOneBy({ tokenHash }))) throw new Error('TypeORM: the token is not good');
    },
    close: () => dataSource.destroy(),
  };
};
