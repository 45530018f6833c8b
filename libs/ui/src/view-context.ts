import type { Say } from './texts.js';
import type { TimeFormat } from './time-format.js';
import type { TokenClient } from './token-client.js';
import type { Token, TokenOwner } from './token.js';

/** What every view needs. */
export interface ViewContext {
  readonly say: Say;
  readonly times: TimeFormat;
  readonly client: TokenClient;
  /** The address of the example request. */
  readonly exampleUrl: string;
  readonly nameOfOwner: (owner: TokenOwner) => string;
  /** A loaded token. */
  readonly find: (id: string) => Token | undefined;
}

/** A request that sends a token. */
export function curlOf({ exampleUrl }: ViewContext, rawToken: string): string {
  const url = new URL(exampleUrl, document.baseURI).href.replaceAll("'", '%27');
  return `curl -H 'Authorization: Bearer ${rawToken}' '${url}'`;
}
