import { AccessTokenSigner, SigraJwtService, type UserRef } from '../index.js';
import { generateJwt } from './generate-jwt.js';
import type { Providers } from './providers.js';

/** The longest `jwt.clockTolerance` there is, in seconds. */
const LONGEST_TOLERANCE = 300;

/**
 * Signs a user in, and gives a JWT that has expired: beyond any `jwt.clockTolerance`, and good in every other way. It is
 * of a sign-in that lives, and signed by the application's own key; only its `iat` and `exp` have passed, by the
 * application's `Clock`.
 *
 * @param user the host's user, or its id
 * @param scopes what the JWT could do. @default ['*']
 * @throws SigraError as `SigraJwtService.generateTokens`, such as `jwt_disabled`
 *
 * @example
 * const jwt = await expiredJwt(app, user);
 * await request(app.getHttpServer()).get('/projects').set(bearer(jwt)).expect(401);
 */
export async function expiredJwt(app: Providers, user: UserRef, scopes?: readonly string[]): Promise<string> {
  const claims = await app.get(SigraJwtService).verifyAccess(await generateJwt(app, user, scopes));
  const { sub, iat, exp, scope = '', epoch = 0, sid = '' } = claims;
  const signedAt = iat - (exp - iat) - LONGEST_TOLERANCE - 1;
  const { accessToken } = app.get(AccessTokenSigner).sign(
    {
      userId: sub,
      ownClaims: claims,
      familyId: sid,
      epoch,
      scopes: scope.split(' '),
      familyExpiresAt: new Date(exp * 1000),
    },
    new Date(signedAt * 1000),
  );
  return accessToken;
}
