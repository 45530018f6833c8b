import type { FetchAnswer, HttpAnswer } from './http-answer.js';

/** What all clients can tell of an HTTP response. */
export interface ReadAnswer {
  readonly status: number;
  /** The header `WWW-Authenticate`. */
  readonly challenge: string;
  /** Undefined where the test itself has consumed the body of a fetched response. */
  readonly body: string | undefined;
}

/** Reads a response and leaves it as it was: the test can still read its body. */
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
