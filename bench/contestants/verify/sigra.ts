import { ApiTokenService, type SigraModuleOptions } from 'nestjs-sigra';
import { CALLER } from '../../harness/seed.js';
import { EVERY_POLICY, type User } from '../host.js';
import { startSigra } from '../sigra-app.js';
import type { VerifyContestant, VerifyFactory } from './contestant.js';

const verifyWith =
  (options?: Partial<SigraModuleOptions<User>>): VerifyFactory =>
  (databaseUrl) =>
    contestant(databaseUrl, options);

/** `ApiTokenService.verify`, which reads the token and its user. */
export const sigra = verifyWith();

/** The same with every policy that verification checks: kinds, addresses, resources, idle expiry, and counts of use. */
export const sigraWithPolicies = verifyWith(EVERY_POLICY);

/** The same as `sigra`, with reads from standbys. */
export const sigraWithStandbys: VerifyFactory = (databaseUrl, urls) => contestant(databaseUrl, { replicas: { urls } });

async function contestant(databaseUrl: string, options?: Partial<SigraModuleOptions<User>>): Promise<VerifyContestant> {
  const app = await startSigra(databaseUrl, options);
  const tokens = app.get(ApiTokenService);
  return { verify: (rawToken) => tokens.verify(rawToken, CALLER), close: () => app.close() };
}
