import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { json } from 'node:stream/consumers';
import type { AnswerBody } from './token-client.js';

export interface SentRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Parameters are sent as a form, everything else as JSON. */
  readonly body?: unknown;
}

export interface ReceivedAnswer {
  readonly status: number;
  readonly challenge: string | null;
  readonly body: AnswerBody & Readonly<Record<string, unknown>>;
}

/**
 * Sends a request from an address of this machine: all of 127.0.0.0/8 are.
 *
 * @param url of the server, which listens on 127.0.0.1
 */
export async function sendFrom(localAddress: string, url: string, sent: SentRequest): Promise<ReceivedAnswer> {
  const { method = 'GET', path, headers = {}, body } = sent;
  const isForm = body instanceof URLSearchParams;
  const type = isForm ? 'application/x-www-form-urlencoded' : 'application/json';
  const sending = request(url + path, {
    localAddress,
    method,
    agent: false,
    headers: { ...headers, ...(body !== undefined && { 'content-type': type }) },
  });
  sending.end(isForm ? body.toString() : body === undefined ? undefined : JSON.stringify(body));
  const [answer] = (await once(sending, 'response')) as [IncomingMessage];
  return {
    status: answer.statusCode ?? 0,
    challenge: answer.headers['www-authenticate'] ?? null,
    body: (await json(answer)) as ReceivedAnswer['body'],
  };
}
