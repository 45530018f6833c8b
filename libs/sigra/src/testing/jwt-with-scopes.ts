import type { UserRef } from '../index.js';
import { generateJwt } from './generate-jwt.js';
import type { Providers } from './providers.js';

/**
 * Signs a user in, and gives a JWT that holds these scopes and nothing else.
 *
 * @param user the host's user, or its id
 * @throws SigraError as `SigraJwtService.generateTokens`, such as `unregistered_scopes`
 *
 * @example
 * const jwt = await jwtWithScopes(app, user, ['read:projects']);
 * await assertScopeDenied(request(app.getHttpServer()).post('/projects').set(bearer(jwt)), ['write:projects']);
 */
export function jwtWithScopes(app: Providers, user: UserRef, scopes: readonly string[]): Promise<string> {
  return generateJwt(app, user, scopes);
}
