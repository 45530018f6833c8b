import { type Command, EXIT } from './command.js';
import { generateJwtKey } from './jwt-keygen.js';
import { UsageError } from './usage-error.js';

/** Generates a key for JWTs. */
export const jwtKeygenCommand: Command = {
  name: 'jwt keygen',
  summary: 'Generates a key for JWTs, and prints it with the options that use it. Stores nothing.',
  options: {
    algorithm: {
      description: 'HS256 (default), RS256, RS512, PS256, ES256, ES384 or EdDSA',
      value: 'NAME',
    },
    kid: { description: "the name of the key (default: today's date)", value: 'NAME' },
  },
  async run({ args, output }) {
    const kid = args.text('kid') ?? new Date().toISOString().slice(0, 10);
    const algorithm = args.text('algorithm') ?? 'HS256';
    const text = generate(algorithm, kid);
    await output.result({ algorithm, kid, text }, () => text);
    return EXIT.ok;
  },
};

function generate(algorithm: string, kid: string): string {
  try {
    return generateJwtKey(algorithm, kid);
  } catch (error) {
    throw error instanceof TypeError ? new UsageError(error.message) : error;
  }
}
