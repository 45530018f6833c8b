import { ApiTokenService } from 'nestjs-sigra';
import { startSigra } from '../sigra-app.js';
import type { VerifyFactory } from './contestant.js';

/** `ApiTokenService.verify`, which reads the token and its user. */
export const sigra: VerifyFactory = async (databaseUrl) => {
  const app = await startSigra(databaseUrl);
  const tokens = app.get(ApiTokenService);
  return { verify: (rawToken) => tokens.verify(rawToken), close: () => app.close() };
};
