import type { JwtOptions, TokenPair, TokenResponse } from 'nestjs-sigra';
import { type JwtApp, startJwtApp } from './jwt-app.js';
import type { TestAppOptions, User } from './test-app.js';

export interface OAuthAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

export type Parameters = Readonly<Record<string, string>> | readonly (readonly [string, string])[];

export interface OAuthApp extends JwtApp {
  /** Posts a form to `/oauth/<endpoint>`. */
  post(endpoint: string, form: Parameters, headers?: Readonly<Record<string, string>>): Promise<OAuthAnswer>;
  /** Posts an unmodified body. */
  postRaw(endpoint: string, contentType: string, body: string): Promise<OAuthAnswer>;
  /** Exchanges a refresh token. */
  refresh(refreshToken: string, more?: Readonly<Record<string, string>>): Promise<OAuthAnswer>;
  signIn(...scopes: string[]): Promise<TokenPair>;
}

export const OAUTH_CONTROLLERS = { tokens: 'api/tokens', oauth: 'oauth', jwks: '.well-known', jwt: 'api/jwt' };

/** Boots an application with JWTs and all endpoints. */
export async function startOAuthApp(jwt: JwtOptions<User> = {}, options: TestAppOptions = {}): Promise<OAuthApp> {
  const test = await startJwtApp(jwt, { ...options, sigra: { controllers: OAUTH_CONTROLLERS, ...options.sigra } });
  const send = async (endpoint: string, init: RequestInit): Promise<OAuthAnswer> => {
    const answer = await fetch(`${test.url}/oauth/${endpoint}`, { method: 'POST', ...init });
    return { status: answer.status, headers: answer.headers, body: await answer.json() };
  };
  const post: OAuthApp['post'] = (endpoint, form, headers = {}) =>
    send(endpoint, { headers, body: new URLSearchParams(form as Record<string, string>) });
  return {
    ...test,
    post,
    postRaw: (endpoint, type, body) => send(endpoint, { headers: { 'content-type': type }, body }),
    refresh: (token, more = {}) => post('token', { grant_type: 'refresh_token', refresh_token: token, ...more }),
    signIn: (...scopes) => test.jwt.generateTokens(test.user, scopes.length > 0 ? scopes : ['read:notes']),
  };
}

export function tokensIn({ body }: OAuthAnswer): TokenResponse {
  return body as TokenResponse;
}

/** The answer to every invalid refresh token. */
export const INVALID_GRANT = {
  error: 'invalid_grant',
  error_description: 'The refresh token is invalid, revoked, expired or was used before.',
};
