import type { IssuedToken, Token, TokenChoices, TokenPage } from './token.js';

/** Headers of every request, or a function that returns them, for example with a fresh access token. */
export type RequestHeaders =
  | Readonly<Record<string, string>>
  | (() => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>);

export interface ClientSettings {
  readonly base: string;
  readonly scopes: string;
  readonly headers: RequestHeaders;
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

interface Sent {
  readonly body?: object;
  readonly idempotencyKey?: string;
}

const ATTEMPTS = 3;
const LONGEST_WAIT = 5;
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
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.attempt<T>(method, url, sent);
      } catch (error) {
        if (!(error instanceof RequestFailure)) throw error;
        // A credential without an id cannot have a key.
        if (error.code === 'invalid_idempotency_key') return this.attempt(method, url, { ...sent, idempotencyKey: '' });
        const canRepeat = error.status === 0 || error.status === 503;
        if (!canRepeat || attempt === ATTEMPTS) throw error;
        await this.wait(Math.min(error.retryAfter ?? attempt, LONGEST_WAIT));
      }
    }
  }

  private async attempt<T>(method: string, url: string, { body, idempotencyKey }: Sent): Promise<T> {
    const { headers, credentials, signal } = this.settings;
    const own = typeof headers === 'function' ? await headers() : headers;
    const request: RequestInit = {
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
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    };
    const response = await fetch(url, request).catch((error: unknown) => {
      signal.throwIfAborted();
      throw new RequestFailure(0, 'unreachable', String(error));
    });
    const answer: unknown = await response.json().catch(() => undefined);
    signal.throwIfAborted();
    if (response.ok) return answer as T;
    throw failureOf(response, Object(answer) as Readonly<Record<string, unknown>>);
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
