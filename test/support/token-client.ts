import type { ApiTokenView, ScopeDetails } from 'nestjs-sigra';
import type { TestApp } from './test-app.js';

/** All members that an answer can have. The tests check which are present. */
export interface AnswerBody {
  readonly rawToken: string;
  readonly token: ApiTokenView;
  readonly tokens: readonly ApiTokenView[];
  readonly nextCursor: string | null;
  readonly scopes: readonly string[];
  readonly catalogue: readonly ScopeDetails[];
  readonly kinds: readonly object[];
  readonly statusCode: number;
  readonly error: string;
  readonly message: string;
  readonly required: readonly string[];
  readonly missing: readonly string[];
}

export interface JsonAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** `null` if the answer has no body. */
  readonly body: AnswerBody;
}

/** Calls the built-in token controller as a script or a page would. */
export class TokenClient {
  private constructor(
    private readonly url: string,
    private readonly credential: Readonly<Record<string, string>>,
  ) {}

  static inSession(test: TestApp, userId = test.user.id): TokenClient {
    return new TokenClient(test.url, { 'x-session-user': userId });
  }

  static withToken(test: TestApp, rawToken: string): TokenClient {
    return new TokenClient(test.url, { authorization: `Bearer ${rawToken}` });
  }

  static anonymous(test: TestApp): TokenClient {
    return new TokenClient(test.url, {});
  }

  list(query = ''): Promise<JsonAnswer> {
    return this.send('GET', `/api/tokens${query}`);
  }

  create(body: unknown): Promise<JsonAnswer> {
    return this.send('POST', '/api/tokens', body);
  }

  revoke(id: string): Promise<JsonAnswer> {
    return this.send('DELETE', `/api/tokens/${id}`);
  }

  revokeAll(): Promise<JsonAnswer> {
    return this.send('DELETE', '/api/tokens');
  }

  update(id: string, body: unknown): Promise<JsonAnswer> {
    return this.send('PATCH', `/api/tokens/${id}`, body);
  }

  rotate(id: string, body?: unknown): Promise<JsonAnswer> {
    return this.send('POST', `/api/tokens/${id}/rotate`, body);
  }

  /** @param body a string is sent unchanged, any other value as JSON */
  async send(method: string, path: string, body?: unknown, type = 'application/json'): Promise<JsonAnswer> {
    const response = await fetch(this.url + path, {
      method,
      headers: { ...this.credential, ...(body !== undefined && { 'content-type': type }) },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: JSON.parse(text || 'null') as AnswerBody };
  }
}
