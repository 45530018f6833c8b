import { ApiTokenService, type SigraModuleOptions } from 'nestjs-sigra';
import { TOKEN_PREFIX } from '../../harness/tokens.js';
import { SCOPES, type User } from '../host.js';
import { startSigra } from '../sigra-app.js';
import type { VerifyContestant, VerifyFactory } from './contestant.js';

/** One of the addresses that `seedTokens` allows. */
const CALLER = { ipAddress: '203.0.113.7' };

const EVERY_POLICY: Partial<SigraModuleOptions<User>> = {
  apiTokens: {
    scopes: SCOPES,
    kinds: { live: { prefix: TOKEN_PREFIX }, test: { prefix: 'sigra_test_' }, ci: { prefix: 'sigra_ci_' } },
    idleTtl: 90 * 86_400,
    usage: { enabled: true },
  },
};

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
