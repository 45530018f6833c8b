/** What `fetch()` resolves to. */
export interface FetchAnswer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly bodyUsed: boolean;
  clone(): { text(): Promise<string> };
}

/** What Supertest resolves to. */
export interface SupertestAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** What Fastify's `inject()` resolves to. */
export interface InjectAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly payload: string;
}

/** An HTTP response, from whichever client a test uses. */
export type HttpAnswer = FetchAnswer | SupertestAnswer | InjectAnswer;
