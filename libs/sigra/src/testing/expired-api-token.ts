import type { DataSource } from 'typeorm';
import { ApiTokenEntity, Clock, type IssuedApiToken, SIGRA_DATA_SOURCE, type UserRef } from '../index.js';
import { type ApiTokenOverrides, createApiToken } from './create-api-token.js';
import type { Providers } from './providers.js';

const SECOND = 1000;
const HOUR = 3600 * SECOND;

/**
 * Creates a token whose time has passed. No service would issue one, so its row is moved into the past: created an hour
 * before it expired, a second ago by the application's `Clock`.
 *
 * @param user the host's user, or its id
 * @param overrides see `createApiToken`; `expiresAt` says when it expired
 * @throws RangeError when `expiresAt` has not passed
 * @throws SigraError as `ApiTokenService.create`
 *
 * @example
 * const { rawToken } = await expiredApiToken(app, user);
 * await request(app.getHttpServer()).get('/projects').set(bearer(rawToken)).expect(401);
 */
export async function expiredApiToken(
  app: Providers,
  user: UserRef,
  overrides: ApiTokenOverrides = {},
): Promise<IssuedApiToken> {
  const now = app.get<Clock>(Clock).now().getTime();
  const expiresAt = overrides.expiresAt ?? new Date(now - SECOND);
  // Not the opposite comparison: an invalid date is neither before nor after.
  if (!(expiresAt.getTime() <= now)) throw new RangeError('expiresAt of an expired token has to lie in the past');
  const past = { createdAt: new Date(expiresAt.getTime() - HOUR), expiresAt };

  const { rawToken, token } = await createApiToken(app, user, { ...overrides, expiresAt: undefined });
  await app.get<DataSource>(SIGRA_DATA_SOURCE).getRepository(ApiTokenEntity).update({ id: token.id }, past);
  return { rawToken, token: { ...token, ...past } };
}
