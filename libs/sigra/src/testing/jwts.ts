import { AccessTokenSigner } from '../jwt/access-token.signer.js';
import { DEFAULT_OWNER_TYPE } from '../common/principal.js';
import { SigraJwtService } from '../jwt/sigra-jwt.service.js';
import type { TokenPair } from '../jwt/token-pair.js';
import type { UserRef } from '../persistence/user-directory.js';
import type { Providers } from './flush-background-writes.js';

/** The largest `jwt.clockTolerance` that the configuration allows, in seconds. */
const MAX_CLOCK_TOLERANCE = 300;

/**
 * Starts a refresh family through the application's own `SigraJwtService`, and returns its JWT and refresh token.
 *
 * @param user the host's user, or its id
 * @param scopes the scopes of the family. @default ['*']
 * @throws SigraError as `SigraJwtService.generateTokens`, such as `jwt_disabled`
 *
 * @example
 * const first = await refreshPair(app, user);
 * const second = await app.get(SigraJwtService).refresh(first.refreshToken);
 */
export function refreshPair(app: Providers, user: UserRef, scopes: readonly string[] = ['*']): Promise<TokenPair> {
  return app.get(SigraJwtService).generateTokens(user, scopes);
}

/**
 * Starts a refresh family, as `refreshPair` does, and returns only its JWT.
 *
 * @param user the host's user, or its id
 * @param scopes the scopes of the JWT. @default ['*']
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

/**
 * Starts a refresh family, and returns a JWT with exactly these scopes.
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

/**
 * Starts a refresh family, and returns a JWT of it that has expired, beyond any `jwt.clockTolerance`. Only its `iat` and
 * `exp` are in the past, by the application's `Clock`: its family is alive, and the application's own key signed it.
 *
 * @param user the host's user, or its id
 * @param scopes the scopes of the JWT. @default ['*']
 * @throws SigraError as `SigraJwtService.generateTokens`, such as `jwt_disabled`
 *
 * @example
 * const jwt = await expiredJwt(app, user);
 * await request(app.getHttpServer()).get('/projects').set(bearer(jwt)).expect(401);
 */
export async function expiredJwt(app: Providers, user: UserRef, scopes?: readonly string[]): Promise<string> {
  const claims = await app.get(SigraJwtService).verifyAccess(await generateJwt(app, user, scopes));
  const { sub, iat, exp, scope = '', epoch = 0, sid = '', owner_type: ownerType = DEFAULT_OWNER_TYPE } = claims;
  const signedAt = iat - (exp - iat) - MAX_CLOCK_TOLERANCE - 1;
  const { accessToken } = await app.get(AccessTokenSigner).sign(
    {
      owner: { type: ownerType, id: sub },
      origin: { familyId: sid },
      epoch,
      endsAt: new Date(exp * 1000),
      ownClaims: claims,
      scopes: scope.split(' '),
    },
    new Date(signedAt * 1000),
  );
  return accessToken;
}
