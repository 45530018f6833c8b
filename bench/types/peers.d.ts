/**
 * The types of the peers that the benchmarks use. Written by hand, because the main install lacks the packages of bench/ but
 * checks and lints its code.
 */
declare module 'autocannon' {
  export interface Client {
    setRequests(requests: readonly Request[]): void;
  }

  export interface Request {
    method?: string;
    path?: string;
    headers?: Readonly<Record<string, string>>;
    body?: string;
    setupRequest?: (request: Request, context: object) => Request;
    onResponse?: (status: number, body: string, context: object, headers: object) => void;
  }

  export interface Options {
    url: string;
    connections: number;
    /** Seconds. */
    duration: number;
    /** Requests per second of all connections together. */
    overallRate?: number;
    setupClient?: (client: Client) => void;
  }

  export interface Result {
    /** Seconds. */
    duration: number;
    errors: number;
    timeouts: number;
    statusCodeStats: Readonly<Record<string, { count: number }>>;
  }

  interface Run extends Promise<Result> {
    /** `milliseconds` is a fraction. */
    on(
      event: 'response',
      listener: (client: Client, status: number, bytes: number, milliseconds: number) => void,
    ): this;
  }

  export default function autocannon(options: Options): Run;
}

declare module 'better-auth' {
  import type { Pool } from 'pg';

  export interface BetterAuthOptions {
    database: Pool;
    baseURL: string;
    secret: string;
    emailAndPassword: { enabled: boolean };
    telemetry: { enabled: boolean };
    logger: { disabled: boolean };
    plugins: readonly object[];
  }

  interface ApiKey {
    id: string;
    /** The user's id. */
    referenceId: string;
  }

  export interface BetterAuth {
    readonly api: {
      signUpEmail(input: {
        body: { email: string; password: string; name: string };
      }): Promise<{ user: { id: string } }>;
      createApiKey(input: { body: { userId: string; name: string } }): Promise<ApiKey & { key: string }>;
      verifyApiKey(input: { body: { key: string } }): Promise<{ valid: boolean; error: unknown; key: ApiKey | null }>;
      oauth2Token(input: {
        body: { grant_type: 'refresh_token'; refresh_token: string; client_id: string };
      }): Promise<{ refresh_token?: string }>;
    };
    readonly $context: Promise<{
      readonly internalAdapter: { findUserById(id: string): Promise<{ id: string } | null> };
      readonly adapter: {
        create(row: { model: string; data: object }): Promise<object>;
        count(rows: { model: string; where: readonly { field: string; value: unknown }[] }): Promise<number>;
      };
    }>;
  }

  export function betterAuth(options: BetterAuthOptions): BetterAuth;
}

declare module 'better-auth/db/migration' {
  import type { BetterAuthOptions } from 'better-auth';

  export function getMigrations(options: BetterAuthOptions): Promise<{ runMigrations(): Promise<void> }>;
}

declare module '@better-auth/oauth-provider' {
  export function oauthProvider(options: {
    loginPage: string;
    consentPage: string;
    scopes: readonly string[];
    disableJwtPlugin: boolean;
  }): object;
}

declare module '@better-auth/api-key' {
  export function apiKey(options: { rateLimit: { enabled: boolean } }): object;
}
