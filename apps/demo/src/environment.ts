import { resolve } from 'node:path';
import { JWT_CHECKS, type JwtSettings } from './jwt/jwt-settings.js';
import { StartError } from './start-error.js';

export const HTTP_ADAPTERS = ['express', 'fastify'] as const;
export type HttpAdapterName = (typeof HTTP_ADAPTERS)[number];

/** The settings of the demo, from environment variables. */
export interface Environment {
  /** `PORT`; 0 chooses a free port. @default 3000 */
  readonly port: number;
  /** `HTTP_ADAPTER`. @default express */
  readonly httpAdapter: HttpAdapterName;
  /** `DATABASE_URL`. @default undefined: the demo starts its own PostgreSQL */
  readonly databaseUrl: string | undefined;
  /** `DEMO_DATA_DIR`: the folder of the demo's own PostgreSQL. @default .data */
  readonly dataDir: string;
  readonly jwt: JwtSettings;
}

/** @throws StartError that names the invalid variable and its valid values */
export function readEnvironment(variables: NodeJS.ProcessEnv): Environment {
  // Shells and compose files pass unset variables as empty ones.
  const read = (name: string, fallback: string) => {
    const value = variables[name]?.trim() ?? '';
    return value === '' ? fallback : value;
  };
  return {
    port: parsePort(read('PORT', '3000')),
    httpAdapter: parseChoice('HTTP_ADAPTER', read('HTTP_ADAPTER', 'express'), HTTP_ADAPTERS),
    databaseUrl: parseDatabaseUrl(read('DATABASE_URL', '')),
    dataDir: resolve(read('DEMO_DATA_DIR', '.data')),
    jwt: {
      secret: parseSecret(read('JWT_SECRET_KEY', '')),
      check: parseChoice('JWT_CHECK', read('JWT_CHECK', 'epoch'), JWT_CHECKS),
      accessTtl: parseSeconds('JWT_ACCESS_TTL', read('JWT_ACCESS_TTL', '900'), 1, 86_400),
      reuseLeeway: parseSeconds('JWT_REUSE_LEEWAY', read('JWT_REUSE_LEEWAY', '0'), 0, 60),
    },
  };
}

function parsePort(value: string): number {
  const port = Number(value);
  if (!/^\d{1,5}$/.test(value) || port > 65_535) {
    throw new StartError(`PORT is "${value}"; it must be a number from 0 to 65535.`);
  }
  return port;
}

function parseChoice<T extends string>(name: string, value: string, choices: readonly T[]): T {
  const choice = choices.find((each) => each === value);
  if (choice !== undefined) return choice;
  throw new StartError(`${name} is "${value}"; it must be ${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}.`);
}

function parseSeconds(name: string, value: string, min: number, max: number): number {
  const seconds = Number(value);
  if (/^\d{1,9}$/.test(value) && seconds >= min && seconds <= max) return seconds;
  throw new StartError(`${name} is "${value}"; it must be a number of seconds from ${min} to ${max}.`);
}

function parseSecret(value: string): string | undefined {
  if (value === '') return undefined;
  const bytes = Buffer.byteLength(value);
  // The message must not contain the value, which is a secret.
  if (bytes < 32) throw new StartError(`JWT_SECRET_KEY has ${bytes} bytes; it must have at least 32.`);
  return value;
}

function parseDatabaseUrl(value: string): string | undefined {
  if (value === '') return undefined;
  if (!URL.canParse(value) || !['postgres:', 'postgresql:'].includes(new URL(value).protocol)) {
    // The message must not contain the value, which can include a password.
    throw new StartError(
      'DATABASE_URL is not a PostgreSQL URL; it must look like postgres://user:password@host:5432/name.',
    );
  }
  return value;
}
