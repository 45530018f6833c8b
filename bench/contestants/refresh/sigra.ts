import { RefreshTokenEntity, SigraJwtService } from 'nestjs-sigra';
import { DataSource, IsNull } from 'typeorm';
import { startSigra } from '../sigra-app.js';
import type { RefreshFactory } from './contestant.js';

/** `SigraJwtService.refresh`, with a timeout that a burst does not reach. It reads the user, detects reuse and writes the audit row. */
export const sigra: RefreshFactory = async (databaseUrl) => {
  const app = await startSigra(databaseUrl, { lookupTimeout: 60_000 });
  const jwt = app.get(SigraJwtService);
  const tokens = app.get(DataSource).getRepository(RefreshTokenEntity);
  return {
    signIn: async (userId) => (await jwt.generateTokens(userId, ['read:projects', 'write:projects'])).refreshToken,
    refresh: async (refreshToken) => (await jwt.refresh(refreshToken)).refreshToken,
    countLive: () => tokens.countBy({ consumedAt: IsNull() }),
    close: () => app.close(),
  };
};
