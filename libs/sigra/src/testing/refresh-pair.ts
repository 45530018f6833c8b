import { SigraJwtService, type TokenPair, type UserRef } from '../index.js';
import type { Providers } from './providers.js';

/**
 * Signs a user in through the application's own `SigraJwtService`: a JWT, and the refresh token of its family.
 *
 * @param user the host's user, or its id
 * @param scopes what the sign-in may do. @default ['*']
 * @throws SigraError as `SigraJwtService.generateTokens`, such as `jwt_disabled`
 *
 * @example
 * const first = await refreshPair(app, user);
 * const second = await app.get(SigraJwtService).refresh(first.refreshToken);
 */
export function refreshPair(app: Providers, user: UserRef, scopes: readonly string[] = ['*']): Promise<TokenPair> {
  return app.get(SigraJwtService).generateTokens(user, scopes);
}
