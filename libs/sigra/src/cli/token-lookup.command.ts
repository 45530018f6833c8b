import { addAbortSignal } from 'node:stream';
import { type Command, DATABASE_OPTIONS, EXIT } from './command.js';
import { textFields } from './text-table.js';
import { tokenJson } from './token.view.js';
import { UsageError } from './usage-error.js';

/** No credential is longer, in characters. */
const MAX_INPUT = 8192;

/** What an operator reads, by the form of the string. A leaked token that was copied badly must not look harmless. */
const NOT_FOUND = {
  token: 'This is not a token of this database, or clean-up has deleted it.',
  jwt: 'This is a JWT, which the database does not have. Its claim `sid` is the id of its family, and `api_token_id` that of its API token.',
  broken:
    'This is not a whole token: its checksum is wrong. It was cut off, has other characters around it, or belongs to another system.',
} as const;

/** Finds whose a raw token is. */
export const tokenLookupCommand: Command = {
  name: 'token lookup',
  summary: 'Reads a raw API token or refresh token from the standard input, and prints whose it is and its state.',
  details:
    'It does not count as a use. A token is never an argument: other users of the machine can read arguments. Exits with 1 for a\nstring that is not a token. Tokens of all types of owners are found; without `sigra`, kinds, idleTtl and foreignFormats do not count.',
  options: DATABASE_OPTIONS,
  async run(call) {
    const { output, signal } = call;
    const rawToken = await readToken(addAbortSignal(signal, process.stdin));
    const { withSigra } = await import('./sigra.application.js');
    const { RawTokenFinder } = await import('./raw-token.finder.js');
    return withSigra(call, {}, async (sigra) => {
      const finder = new RawTokenFinder(sigra.dataSource, sigra.config);
      const found = await finder.find(rawToken, new Date());
      if (!found) {
        output.note(NOT_FOUND[finder.formOf(rawToken)]);
        return EXIT.failed;
      }
      const { kind, state } = found;
      const shown = found.kind === 'api_token' ? { token: tokenJson(found) } : { family: found.family };
      await output.result({ kind, state, ...shown }, () =>
        textFields({ kind, ...(found.kind === 'api_token' ? shown.token : { ...found.family, state }) }),
      );
      return EXIT.ok;
    });
  },
};

/** Reads a raw token from a stream. @throws UsageError when it is empty or too long */
async function readToken(input: AsyncIterable<string | Buffer>): Promise<string> {
  let text = '';
  for await (const chunk of input) {
    text += chunk.toString();
    if (text.length > MAX_INPUT) throw new UsageError(`The standard input has more than ${MAX_INPUT} characters.`);
  }
  const rawToken = text.trim().replace(/^bearer\s+/i, '');
  if (rawToken === '') throw new UsageError('The standard input has no token.');
  return rawToken;
}
