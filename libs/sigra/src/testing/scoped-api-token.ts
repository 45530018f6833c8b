import type { IssuedApiToken, UserRef } from '../index.js';
import { type ApiTokenOverrides, createApiToken } from './create-api-token.js';
import type { Providers } from './providers.js';

/**
 * Creates a token that holds these scopes and nothing else.
 *
 * @param user the host's user, or its id
 * @throws SigraError as `ApiTokenService.create`, such as `unregistered_scopes`
 *
 * @example
 * const { rawToken } = await scopedApiToken(app, user, ['read:projects']);
 */
export function scopedApiToken(
  app: Providers,
  user: UserRef,
  scopes: readonly string[],
  overrides: Omit<ApiTokenOverrides, 'scopes'> = {},
): Promise<IssuedApiToken> {
  return createApiToken(app, user, { ...overrides, scopes });
}
