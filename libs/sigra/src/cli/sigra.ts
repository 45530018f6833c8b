#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { generateJwtKey } from './jwt-keygen.js';

const USAGE = `Usage: sigra jwt:keygen [--algorithm NAME] [--kid NAME]

Generates a key for JWTs and prints it with the options that use it. Stores nothing.

  --algorithm  HS256 (default), RS256, RS512, PS256, ES256, ES384 or EdDSA
  --kid        the key's name (default: today's date)`;

/** Runs a command. @returns the exit code: 0, or 2 for wrong arguments */
function main(argv: readonly string[]): number {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { algorithm: { type: 'string', default: 'HS256' }, kid: { type: 'string' }, help: { type: 'boolean' } },
    });
    if (values.help) {
      console.log(USAGE);
      return 0;
    }
    const [command, ...rest] = positionals;
    if (command !== 'jwt:keygen') throw new TypeError(command === undefined ? 'No command.' : 'Unknown command.');
    if (rest.length > 0) throw new TypeError('Too many arguments.');
    console.log(generateJwtKey(values.algorithm, values.kid ?? new Date().toISOString().slice(0, 10)));
    return 0;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
}

process.exitCode = main(process.argv.slice(2));
