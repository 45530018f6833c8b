/**
 * Returns the header that presents a token, as Supertest's `set()`, `fetch()` and Fastify's `inject()` accept it.
 *
 * @example
 * await request(app.getHttpServer()).get('/projects').set(bearer(rawToken));
 * await fetch(url, { headers: bearer(rawToken) });
 */
export function bearer(rawToken: string): { authorization: string } {
  return { authorization: `Bearer ${rawToken}` };
}

/** A response of `fetch()`. */
export interface FetchAnswer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly bodyUsed: boolean;
  clone(): { text(): Promise<string> };
}

/** A response of Supertest. */
export interface SupertestAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** A response of Fastify's `inject()`. */
export interface InjectAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly payload: string;
}

/** An HTTP response of any of the three clients. */
export type HttpAnswer = FetchAnswer | SupertestAnswer | InjectAnswer;

/** The parts of a response that the assertions read. */
export interface ReadAnswer {
  readonly status: number;
  /** The header `WWW-Authenticate`, or an empty string. */
  readonly challenge: string;
  /** Undefined if the test has already consumed the body of a fetched response. */
  readonly body: string | undefined;
}

/** Reads a response without consuming it: the test can still read its body. */
export async function readHttpAnswer(answer: HttpAnswer): Promise<ReadAnswer> {
  if (isFetched(answer)) {
    const body = answer.bodyUsed ? undefined : await answer.clone().text();
    return { status: answer.status, challenge: answer.headers.get('www-authenticate') ?? '', body };
  }
  const challenge = answer.headers['www-authenticate'];
  return {
    status: 'statusCode' in answer ? answer.statusCode : answer.status,
    challenge: Array.isArray(challenge) ? challenge.join(', ') : typeof challenge === 'string' ? challenge : '',
    body: 'payload' in answer ? answer.payload : answer.text,
  };
}

function isFetched(answer: HttpAnswer): answer is FetchAnswer {
  return typeof (answer as Partial<FetchAnswer>).clone === 'function';
}
