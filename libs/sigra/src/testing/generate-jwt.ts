import type { UserRef } from '../index.js';
import type { Providers } from './providers.js';
import { refreshPair } from './refresh-pair.js';

/**
 * Signs a user in, as `refreshPair`, and gives the JWT alone.
 *
 * @param user the host's user, or its id
 * @param scopes what the JWT may do. @default ['*']
 * @throws SigraError as `SigraJwtService.generateTokens`, such as `jwt_disabled`
 *
 * @example
 * const jwt = await generateJwt(app, user);
 * await request(app.getHttpServer()).get('/projects').set(bearer(jwt)).expect(200);
 */
export async function generateJwt(app: Providers, user: UserRef, scopes?: readonly string[]): Promise<string> {
  const { accessToken } = await refreshPair(app, user, scopes);
  return accessToken;
}
