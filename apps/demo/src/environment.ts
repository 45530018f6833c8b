import { resolve } from 'node:path';
import { StartError } from './start-error.js';

export const HTTP_ADAPTERS = ['express', 'fastify'] as const;
export type HttpAdapterName = (typeof HTTP_ADAPTERS)[number];

/** Everything that can be set from outside. */
export interface Environment {
  /** `PORT`: 0 takes a free one. @default 3000 */
  readonly port: number;
  /** `HTTP_ADAPTER`. @default express */
  readonly httpAdapter: HttpAdapterName;
  /** `DATABASE_URL`. Without it the demo brings its own PostgreSQL. */
  readonly databaseUrl: string | undefined;
  /** `DEMO_DATA_DIR`: where the demo's own PostgreSQL keeps its files. @default .data */
  readonly dataDir: string;
}

/** @throws StartError that names the variable and what it may be */
export function readEnvironment(variables: NodeJS.ProcessEnv): Environment {
  // An empty variable is how shells and compose files say "not set".
  const read = (name: string, fallback: string) => {
    const value = variables[name]?.trim() ?? '';
    return value === '' ? fallback : value;
  };
  return {
    port: parsePort(read('PORT', '3000')),
    httpAdapter: parseAdapter(read('HTTP_ADAPTER', 'express')),
    databaseUrl: parseDatabaseUrl(read('DATABASE_URL', '')),
    dataDir: resolve(read('DEMO_DATA_DIR', '.data')),
  };
}

function parsePort(value: string): number {
  const port = Number(value);
  if (!/^\d{1,5}$/.test(value) || port > 65_535) {
    throw new StartError(`PORT is "${value}"; it must be a number from 0 to 65535.`);
  }
  return port;
}

function parseAdapter(value: string): HttpAdapterName {
  const adapter = HTTP_ADAPTERS.find((name) => name === value);
  if (!adapter) throw new StartError(`HTTP_ADAPTER is "${value}"; it must be ${HTTP_ADAPTERS.join(' or ')}.`);
  return adapter;
}

function parseDatabaseUrl(value: string): string | undefined {
  if (value === '') return undefined;
  if (!URL.canParse(value) || !['postgres:', 'postgresql:'].includes(new URL(value).protocol)) {
    // The value may hold a password, so it is not repeated.
    throw new StartError(
      'DATABASE_URL is no PostgreSQL URL; it must look like postgres://user:password@host:5432/name.',
    );
  }
  return value;
}
