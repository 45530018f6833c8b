import { type JwtOptions, SigraJwtService, type TokenPair } from 'nestjs-sigra';
import { startTestApp, type TestApp, type TestAppOptions, type User } from './test-app.js';

/** The minimal configuration that enables JWTs. */
export const JWT = {
  enabled: true,
  issuer: 'https://issuer.example',
  audience: 'api',
  secret: 'a secret of at least thirty-two bytes',
  // Tests count in seconds.
  clockTolerance: 0,
} satisfies JwtOptions<User>;

export interface JwtApp extends TestApp {
  readonly jwt: SigraJwtService;
  /** Presents a credential to a route that accepts every principal. */
  present(credential: string, path?: string): Promise<Response>;
}

const running: JwtApp[] = [];

/** Closes every application that a test has left open, even if the test failed: `afterEach(closeJwtApps)`. */
export async function closeJwtApps(): Promise<void> {
  // In reverse, because later applications can use the database of the first.
  for (let app = running.at(-1); app; app = running.at(-1)) await app.close();
}

/**
 * Boots an application with JWTs.
 *
 * @param jwt options that differ from {@link JWT}; `keys` replace the secret
 */
export async function startJwtApp(jwt: JwtOptions<User> = {}, options: TestAppOptions = {}): Promise<JwtApp> {
  const base: JwtOptions<User> = jwt.keys ? { ...JWT, secret: undefined } : JWT;
  // A slow machine is not an unreachable database.
  const sigra = { lookupTimeout: 60_000, ...options.sigra, jwt: { ...base, ...jwt } };
  const test = await startTestApp({ ...options, sigra });
  const app: JwtApp = {
    ...test,
    jwt: test.get(SigraJwtService),
    present: (credential, path = '/notes/me') =>
      fetch(test.url + path, { headers: { authorization: `Bearer ${credential}` } }),
    close: async () => {
      if (running.includes(app)) running.splice(running.indexOf(app), 1);
      await test.close();
    },
  };
  running.push(app);
  return app;
}

/** Starts another node of the same application, with its database and its clock. */
export function joinJwtApp(first: TestApp, jwt: JwtOptions<User> = {}): Promise<JwtApp> {
  return startJwtApp(jwt, { databaseUrl: first.databaseUrl, clock: first.clock });
}

/** The id of the family that an access token belongs to. */
export function familyIdOf({ accessToken }: Pick<TokenPair, 'accessToken'>): string {
  return claimsOf(accessToken).sid as string;
}

/** The claims of a JWT, without any verification. */
export function claimsOf(jwt: string): Record<string, unknown> {
  const [, payload = ''] = jwt.split('.');
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
}
