import type { DataSource } from 'typeorm';
import { Clock } from '../common/clock.js';
import { SigraError } from '../common/sigra-error.js';
import { ApiTokenEntity } from '../persistence/sigra-entities.js';
import { SIGRA_DATA_SOURCE } from '../persistence/sigra-database.js';
import type { UserRef } from '../persistence/user-directory.js';
import type { CreateApiToken } from '../tokens/api-token.issuer.js';
import type { IssuedApiToken } from '../tokens/issue.replayer.js';
import { ApiTokenService } from '../tokens/api-token.service.js';
import type { Providers } from './flush-background-writes.js';

/** Properties of a token that a test sets; each has a default. */
export type ApiTokenOverrides = Partial<CreateApiToken>;

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/**
 * Creates a token through the application's own `ApiTokenService`.
 *
 * @param user the host's user, or its id
 * @param overrides the defaults are the name `test`, the scopes `['*']`, and no expiry; if the application requires an
 * expiry, the token expires five minutes from now by the application's `Clock`
 * @throws SigraError as `ApiTokenService.create`
 *
 * @example
 * const { rawToken } = await createApiToken(app, user, { scopes: ['read:projects'] });
 * await request(app.getHttpServer()).get('/projects').set(bearer(rawToken)).expect(200);
 */
export async function createApiToken(
  app: Providers,
  user: UserRef,
  { name = 'test', scopes = ['*'], expiresAt, ...others }: ApiTokenOverrides = {},
): Promise<IssuedApiToken> {
  const tokens = app.get(ApiTokenService);
  const properties = { name, scopes, ...others };
  try {
    return await tokens.create(user, { ...properties, expiresAt });
  } catch (error) {
    if (expiresAt !== undefined || !requiresExpiry(error)) throw error;
    const now = app.get<Clock>(Clock).now();
    return tokens.create(user, { ...properties, expiresAt: new Date(now.getTime() + 5 * MINUTE) });
  }
}

function requiresExpiry(error: unknown): boolean {
  return error instanceof SigraError && (error.code === 'expiry_required' || error.code === 'ttl_exceeded');
}

/**
 * Creates a token with exactly these scopes.
 *
 * @param user the host's user, or its id
 * @param overrides see `createApiToken`
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

/**
 * Creates a token that has expired. No service issues one, so its row is moved into the past: it was created one hour
 * before it expired.
 *
 * @param user the host's user, or its id
 * @param overrides see `createApiToken`; `expiresAt` is when it expired. @default one second ago by the application's
 * `Clock`
 * @throws RangeError if `expiresAt` is invalid or in the future
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
  // Negated, because every comparison with an invalid date is false.
  if (!(expiresAt.getTime() <= now)) throw new RangeError('expiresAt of an expired token must be in the past');
  const past = { createdAt: new Date(expiresAt.getTime() - HOUR), expiresAt };

  const { rawToken, token } = await createApiToken(app, user, { ...overrides, expiresAt: undefined });
  await app.get<DataSource>(SIGRA_DATA_SOURCE).getRepository(ApiTokenEntity).update({ id: token.id }, past);
  return { rawToken, token: { ...token, ...past } };
}

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
