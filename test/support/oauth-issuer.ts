import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import express, { type RequestHandler } from 'express';
import { ApiTokenService, type DpopOptions, SigraJwtService, type TokenPair } from 'nestjs-sigra';
import { freePort } from '../../tools/local-postgres/src/free-port.js';
import { onDatabase } from './database.js';
import { startHost } from './host-app.js';
import { keyOf } from './jwt-forge.js';
import { createMigratedDatabase, USERS } from './migrated-database.js';
import type { Adapter } from './test-app.js';
import { OAUTH_CONTROLLERS } from './oauth-app.js';

/** The identifier of the API for its clients. */
export const AUDIENCE = 'https://api.example';

/** A confidential client: an API token. */
export interface ConfidentialClient {
  readonly id: string;
  readonly secret: string;
}

/** An application as clients see it: its issuer is the URL of its server, and it has the system's clock. */
export interface Issuer {
  readonly url: string;
  readonly user: { readonly id: string };
  readonly jwt: SigraJwtService;
  signIn(...scopes: string[]): Promise<TokenPair>;
  /** Makes an API token. */
  client(...scopes: string[]): Promise<ConfidentialClient>;
  /** Whether the application accepts an access token now. */
  accepts(accessToken: string): Promise<boolean>;
  close(): Promise<void>;
}

/**
 * @param alg the algorithm of the signing key. @default 'RS256'
 * @param dpop the options of DPoP. @default off
 */
export async function startIssuer(
  adapter: Adapter,
  alg: Parameters<typeof keyOf>[0] = 'RS256',
  dpop: DpopOptions = {},
): Promise<Issuer> {
  const database = await createMigratedDatabase(USERS);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const host = await startHost({
    adapter,
    port,
    databaseUrl: database.url,
    sigra: {
      jwt: {
        enabled: true,
        issuer: url,
        audience: AUDIENCE,
        check: 'family',
        keys: [keyOf(alg, 'key-1').option],
        dpop,
      },
      controllers: { ...OAUTH_CONTROLLERS, scopes: 'api/scopes' },
      metadata: { resource: url, scopes: ['read:notes'] },
    },
    // Neither moves what clients find by metadata.
    prepare: (app) => app.setGlobalPrefix('api/v1'),
  });
  const user = await onDatabase(database.url, async (client) => {
    const { rows } = await client.query<{ id: string }>(
      `INSERT INTO users (email) VALUES ('ada@example.com') RETURNING id`,
    );
    return rows[0]!;
  });
  const jwt = host.app.get(SigraJwtService, { strict: false });
  const tokens = host.app.get(ApiTokenService, { strict: false });
  return {
    url,
    user,
    jwt,
    signIn: (...scopes) => jwt.generateTokens(user.id, scopes.length > 0 ? scopes : ['read:notes', 'write:notes']),
    client: async (...scopes) => {
      const { rawToken, token } = await tokens.create(user.id, { name: 'service', scopes });
      return { id: token.id, secret: rawToken };
    },
    accepts: async (accessToken) => {
      const authorization = `Bearer ${accessToken}`;
      return (await fetch(`${url}/api/v1/api/scopes`, { headers: { authorization } })).ok;
    },
    close: async () => {
      await host.close();
      await database.drop();
    },
  };
}

/** Another service, which verifies access tokens with a middleware of its own. */
export async function startResourceServer(...middleware: RequestHandler[]) {
  const app = express();
  app.get('/', ...middleware, (request, response) => {
    const { auth, user } = request as unknown as { auth?: { payload?: object }; user?: object };
    response.json(auth?.payload ?? auth ?? user ?? {});
  });
  app.use(((error: { status?: number }, _request, response, next) => {
    if (response.headersSent) next(error);
    else response.status(error.status ?? 500).json({});
  }) as express.ErrorRequestHandler);
  const server: Server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    /** The status of a request, and the claims that the service found. */
    ask: async (accessToken: string) => {
      const answer = await fetch(url, { headers: { authorization: `Bearer ${accessToken}` } });
      const claims = (answer.ok ? await answer.json() : {}) as Record<string, unknown>;
      await answer.body?.cancel().catch(() => undefined);
      return { status: answer.status, claims };
    },
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
