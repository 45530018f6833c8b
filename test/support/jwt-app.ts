import { type JwtOptions, SigraJwtService, type TokenPair } from 'nestjs-sigra';
import { startTestApp, type TestApp, type TestAppOptions, type User } from './test-app.js';

export const JWT = {
  enabled: true,
  issuer: 'https://issuer.example',
  audience: 'api',
  secret: 'a secret of at least thirty-two bytes',
} satisfies JwtOptions<User>;

export interface JwtApp extends TestApp {
  readonly jwt: SigraJwtService;
}

/** An application with JWTs; what is not said of them has its default. */
export async function startJwtApp(jwt: JwtOptions<User> = {}, options: TestAppOptions = {}): Promise<JwtApp> {
  // A slow machine is not an unreachable database.
  const sigra = { lookupTimeout: 60_000, ...options.sigra, jwt: { ...JWT, ...jwt } };
  const app = await startTestApp({ ...options, sigra });
  return { ...app, jwt: app.get(SigraJwtService) };
}

/** Another node of the same application: the same database and the same time. */
export function joinJwtApp(first: TestApp, jwt: JwtOptions<User> = {}): Promise<JwtApp> {
  return startJwtApp(jwt, { databaseUrl: first.databaseUrl, clock: first.clock });
}

/** The sign-in that an access token belongs to. */
export function familyIdOf({ accessToken }: Pick<TokenPair, 'accessToken'>): string {
  return claimsOf(accessToken).sid as string;
}

/** What stands in a JWT, believed as it stands. */
export function claimsOf(jwt: string): Record<string, unknown> {
  const [, payload = ''] = jwt.split('.');
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
}
