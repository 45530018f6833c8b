import { DataSource } from 'typeorm';
import { findRawToken } from '../persistence/raw-token.finder.js';

/** No credential is longer, in characters. */
const MAX_INPUT = 8192;
/** In milliseconds. */
const TIMEOUT = 10_000;

/** Where Sigra's tables are. */
export interface TablePlace {
  /** The URL of the database. */
  readonly url: string;
  /** @default found by the search path */
  readonly schema: string | undefined;
}

/**
 * Looks up whose a raw token is, without counting as a use.
 *
 * @returns the credential as JSON; undefined for a string that is not a credential
 * @throws Error when the database cannot be read
 */
export async function lookUpToken(rawToken: string, { url, schema }: TablePlace): Promise<string | undefined> {
  const dataSource = new DataSource({
    type: 'postgres',
    url,
    ...(schema !== undefined && { schema }),
    connectTimeoutMS: TIMEOUT,
    extra: { max: 1, query_timeout: TIMEOUT },
    logging: false,
  });
  await dataSource.initialize();
  try {
    const found = await findRawToken(dataSource, rawToken, new Date());
    return found && JSON.stringify(found, undefined, 2);
  } finally {
    await dataSource.destroy();
  }
}

/** Reads a raw token from a stream. @throws TypeError when it is empty or too long */
export async function readToken(input: AsyncIterable<string | Buffer>): Promise<string> {
  let text = '';
  for await (const chunk of input) {
    text += chunk.toString();
    if (text.length > MAX_INPUT) throw new TypeError(`The standard input has more than ${MAX_INPUT} characters.`);
  }
  const rawToken = text.trim();
  if (rawToken === '') throw new TypeError('The standard input has no token.');
  return rawToken;
}
