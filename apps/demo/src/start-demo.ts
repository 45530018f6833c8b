import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import type { INestApplication } from '@nestjs/common';
import { checkPort } from './check-port.js';
import { openDatabase } from './database/open-database.js';
import type { Environment } from './environment.js';
import { deriveJwtSecret, jwtOptions } from './jwt/jwt-settings.js';
import type { Shutdown } from './shutdown.js';

/** How long open requests can delay the end of the process. */
const REQUEST_TIMEOUT_MS = 3000;
const HOST = '127.0.0.1';

/**
 * Starts everything, and adds to `shutdown` what must be closed.
 *
 * @returns the guide to print
 * @throws StartError if the environment prevents the start
 */
export async function startDemo(environment: Environment, shutdown: Pick<Shutdown, 'add'>): Promise<string> {
  const { port, httpAdapter } = environment;
  await checkPort(port, HOST);
  const database = await openDatabase(environment);
  shutdown.add(() => database.close());
  // Loading these takes seconds, and a port or a database that cannot be used needs none of them.
  const { prepareDatabase } = await import('./database/prepare-database.js');
  const { createApp } = await import('./create-app.js');
  const { guide } = await import('./welcome/guide.js');
  const { StartTokensService } = await import('./welcome/start-tokens.service.js');
  const secret = await prepareDatabase(database.url);

  const jwt = jwtOptions(environment.jwt, deriveJwtSecret(secret));
  const app = await createApp({ databaseUrl: database.url, jwt }, httpAdapter);
  shutdown.add(() => close(app));
  await app.listen(port, HOST);
  const url = `http://${HOST}:${(app.getHttpServer().address() as AddressInfo).port}`;
  const tokens = await app.get(StartTokensService).issue(instanceOf(environment, url));
  return guide({ url, httpAdapter, database: database.description, tokens });
}

/** Identifies this demo, with the same string at every start. Only a given database can be shared with other demos. */
function instanceOf({ databaseUrl }: Environment, url: string): string {
  return databaseUrl === undefined ? 'own database' : `${hostname()} ${url}`;
}

async function close(app: INestApplication<Server>): Promise<void> {
  const server = app.getHttpServer();
  const timer = setTimeout(() => server.closeAllConnections(), REQUEST_TIMEOUT_MS);
  await app.close();
  clearTimeout(timer);
}
