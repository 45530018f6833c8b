#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { generateJwtKey } from './jwt-keygen.js';

const USAGE = `Usage: sigra jwt:keygen [--algorithm NAME] [--kid NAME]
       sigra token:lookup [--schema NAME]

jwt:keygen generates a key for JWTs and prints it with the options that use it. Stores nothing.

  --algorithm  HS256 (default), RS256, RS512, PS256, ES256, ES384 or EdDSA
  --kid        the key's name (default: today's date)

token:lookup reads a raw API token or refresh token from the standard input, and prints whose it is and whether it
still works. Does not count as a use. The environment variable DATABASE_URL names the database. Exits with 1 for a
string that is not a token.

  --schema     the schema of Sigra's tables (default: found by the search path)`;

/** Runs a command. @returns the exit code: 0, 1 for a token that was not found, or 2 for an error */
async function main(argv: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        algorithm: { type: 'string', default: 'HS256' },
        kid: { type: 'string' },
        schema: { type: 'string' },
        help: { type: 'boolean' },
      },
    });
    if (values.help) {
      console.log(USAGE);
      return 0;
    }
    const [command, ...rest] = positionals;
    if (command === undefined) throw new TypeError('No command.');
    if (command !== 'jwt:keygen' && command !== 'token:lookup') throw new TypeError('Unknown command.');
    if (rest.length > 0) throw new TypeError('Too many arguments.');
    if (command === 'token:lookup') return await lookUp(values.schema);
    console.log(generateJwtKey(values.algorithm, values.kid ?? new Date().toISOString().slice(0, 10)));
    return 0;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
}

async function lookUp(schema: string | undefined): Promise<number> {
  const url = process.env.DATABASE_URL;
  if (!url) throw new TypeError('The environment variable DATABASE_URL is missing.');
  // Loads TypeORM, which the other command does not need.
  const { lookUpToken, readToken } = await import('./token-lookup.js');
  const found = await lookUpToken(await readToken(process.stdin), { url, schema });
  if (found === undefined) {
    console.error('This is not a token of this database, or clean-up has deleted it.');
    return 1;
  }
  console.log(found);
  return 0;
}

// Without a top-level await, which CommonJS does not have.
void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
