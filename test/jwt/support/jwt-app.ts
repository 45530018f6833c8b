import { type JwtOptions, SigraJwtService } from 'nestjs-sigra';
import { startTestApp, type TestApp, type TestAppOptions, type User } from '../../support/test-app.js';

/** The least that an application says to use JWTs. */
export const JWT = {
  enabled: true,
  issuer: 'https://issuer.example',
  audience: 'api',
  secret: 'a secret of the tests, and of nobody else',
} satisfies JwtOptions<User>;

export interface JwtApp extends TestApp {
  readonly jwt: SigraJwtService;
  /** Presents a credential to a route that everybody may use who is somebody. */
  present(credential: string, path?: string): Promise<Response>;
}

const running: JwtApp[] = [];

/** Closes every application that a test has left open, in failing as well: `afterEach(closeJwtApps)`. */
export async function closeJwtApps(): Promise<void> {
  // The last one first: others live in the database of the first.
  for (let app = running.at(-1); app; app = running.at(-1)) await app.close();
}

/** Boots an application with JWTs. `keys` take the place of the secret. */
export async function startJwtApp(jwt: JwtOptions<User> = {}, options: TestAppOptions = {}): Promise<JwtApp> {
  const base: JwtOptions<User> = jwt.keys ? { ...JWT, secret: undefined } : JWT;
  const test = await startTestApp({ ...options, sigra: { jwt: { ...base, ...jwt }, ...options.sigra } });
  const app: JwtApp = {
    ...test,
    jwt: test.get(SigraJwtService),
    present: (credential, path = '/notes/me') =>
      fetch(test.url + path, { headers: { authorization: `Bearer ${credential}` } }),
    close: async () => {
      running.splice(running.indexOf(app), 1);
      await test.close();
    },
  };
  running.push(app);
  return app;
}
