import type { IssuedToken, Token, TokenChoices, TokenPage } from './token.js';

/** Headers of every request, or a function that returns them, for example with a fresh access token. */
export type RequestHeaders =
  | Readonly<Record<string, string>>
  | (() => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>);

export interface ClientSettings {
  readonly base: string;
  readonly scopes: string;
  /** Read for every request: an application can change them at any time. */
  readonly headers: () => RequestHeaders;
  readonly credentials: RequestCredentials;
  /** Ends all requests. */
  readonly signal: AbortSignal;
}

/** A request that was refused, or that got no answer: its status is 0. */
export class RequestFailure extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** In seconds. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/**
 * The failure of a request. Undefined if the element was removed before the answer.
 *
 * @throws the error, if it is another
 */
export function failureIn(error: unknown): RequestFailure | undefined {
  if (error instanceof RequestFailure) return error;
  if (error instanceof DOMException && error.name === 'AbortError') return undefined;
  throw error;
}

interface Sent {
  readonly body?: object;
  readonly idempotencyKey?: string;
}

const ATTEMPTS = 3;
/** A longer wait is left to people, with a message. In seconds. */
const LONGEST_WAIT = 5;
/** For all attempts of one request together: the dialog waits for the answer. */
const TIMEOUT_MS = 20_000;

/** Calls the ready-made controllers of `nestjs-sigra`. */
export class TokenClient {
  constructor(private readonly settings: ClientSettings) {}

  /** @param limit without it, the page size of the application */
  list(cursor: string | undefined, limit: string | null): Promise<TokenPage> {
    const query = new URLSearchParams({ order: 'newest', ...(limit && { limit }), ...(cursor && { cursor }) });
    return this.send('GET', `?${query.toString()}`);
  }

  choices(): Promise<TokenChoices> {
    return this.sendTo('GET', this.settings.scopes, {});
  }

  create(body: object, idempotencyKey: string): Promise<IssuedToken> {
    return this.send('POST', '', { body, idempotencyKey });
  }

  rotate(id: string, graceSeconds: number, idempotencyKey: string): Promise<IssuedToken> {
    return this.send('POST', `${pathOf(id)}/rotate`, { body: { graceSeconds }, idempotencyKey });
  }

  async update(id: string, body: object): Promise<Token> {
    return (await this.send<{ token: Token }>('PATCH', pathOf(id), { body })).token;
  }

  revoke(id: string): Promise<void> {
    return this.send('DELETE', pathOf(id));
  }

  async revokeAll(): Promise<number> {
    return (await this.send<{ revoked: number }>('DELETE', '')).revoked;
  }

  private send<T>(method: string, path: string, sent: Sent = {}): Promise<T> {
    return this.sendTo(method, `${this.settings.base.replace(/\/+$/, '')}${path}`, sent);
  }

  /** Every request can be repeated: what creates something has a key, and all else has the same effect twice as once. */
  private async sendTo<T>(method: string, url: string, sent: Sent): Promise<T> {
    const deadline = AbortSignal.timeout(TIMEOUT_MS);
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.attempt<T>(method, url, sent, deadline);
      } catch (error) {
        if (!(error instanceof RequestFailure)) throw error;
        // A credential without an id cannot have a key.
        if (error.code === 'invalid_idempotency_key') {
          return this.attempt(method, url, { ...sent, idempotencyKey: '' }, deadline);
        }
        const canRepeat = error.status === 0 || error.status === 503;
        const pause = error.retryAfter ?? attempt;
        if (!canRepeat || attempt === ATTEMPTS || pause > LONGEST_WAIT) throw error;
        await this.wait(pause);
      }
    }
  }

  private async attempt<T>(method: string, url: string, sent: Sent, deadline: AbortSignal): Promise<T> {
    const { signal } = this.settings;
    try {
      // The whole answer: a connection can end in the middle of a raw token.
      const response = await fetch(url, await this.requestOf(method, sent, deadline));
      const text = await response.text();
      signal.throwIfAborted();
      return answerOf(response, text) as T;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof RequestFailure) throw error;
      throw new RequestFailure(0, 'unreachable', String(error));
    }
  }

  private async requestOf(method: string, { body, idempotencyKey }: Sent, deadline: AbortSignal): Promise<RequestInit> {
    const { credentials, signal } = this.settings;
    const headers = this.settings.headers();
    const own = typeof headers === 'function' ? await headers() : headers;
    return {
      method,
      credentials,
      cache: 'no-store',
      headers: {
        accept: 'application/json',
        ...(body && { 'content-type': 'application/json' }),
        ...(idempotencyKey && { 'idempotency-key': idempotencyKey }),
        ...own,
      },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.any([signal, deadline]),
    };
  }

  private wait(seconds: number): Promise<void> {
    const { signal } = this.settings;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, seconds * 1000);
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        reject(signal.reason as Error);
      });
    });
  }
}

/** A random key. `crypto.randomUUID()` exists over HTTPS only. */
export function newIdempotencyKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function pathOf(id: string): string {
  return `/${encodeURIComponent(id)}`;
}

/** The API answers in JSON: a page, such as the sign-in page after a redirect, is a failure. */
function answerOf(response: Response, text: string): object | undefined {
  const { status, ok } = response;
  if (status === 204) return undefined;
  const answer = parsed(text);
  if (!ok) throw failureOf(response, answer ?? {});
  if (!answer) throw new RequestFailure(502, 'invalid_answer', `HTTP ${status} without JSON`);
  return answer;
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const answer: unknown = JSON.parse(text);
    return typeof answer === 'object' && answer !== null ? (answer as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

function failureOf(
  { status, headers }: Response,
  { error, message }: Readonly<Record<string, unknown>>,
): RequestFailure {
  const retryAfter = Number(headers.get('retry-after') ?? Number.NaN);
  return new RequestFailure(
    status,
    typeof error === 'string' ? error : 'unknown',
    typeof message === 'string' ? message : `HTTP ${status}`,
    Number.isFinite(retryAfter) ? retryAfter : undefined,
  );
}
