import { ApiTokenService, type IssuedApiToken, type UserRef } from '../index.js';
import { type ApiTokenOverrides, createApiToken } from './create-api-token.js';
import type { Providers } from './providers.js';

/**
 * Creates a token and revokes it, with the audit rows of both.
 *
 * @param user the host's user, or its id
 * @param overrides see `createApiToken`
 * @throws SigraError as `ApiTokenService.create`
 *
 * @example
 * const { rawToken } = await revokedApiToken(app, user);
 * await request(app.getHttpServer()).get('/projects').set(bearer(rawToken)).expect(401);
 */
export async function revokedApiToken(
  app: Providers,
  user: UserRef,
  overrides?: ApiTokenOverrides,
): Promise<IssuedApiToken> {
  const { rawToken, token } = await createApiToken(app, user, overrides);
  return { rawToken, token: await app.get(ApiTokenService).revoke(token.id) };
}
