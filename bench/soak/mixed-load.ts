import type { Request } from 'autocannon';
import type { Headers } from '../harness/load.js';
import { rawToken, userId } from '../harness/tokens.js';

/** The kind of requests that a connection of the soak repeats. */
export type Role = 'token' | 'jwt' | 'session' | 'refused' | 'create and revoke' | 'refresh';

/** Connections for each role. */
export const CONNECTIONS: Readonly<Record<Role, number>> = {
  token: 28,
  jwt: 12,
  session: 8,
  refused: 8,
  'create and revoke': 4,
  refresh: 4,
};

/** Statuses that each role expects. */
export const EXPECTED: Readonly<Record<Role, readonly number[]>> = {
  token: [200],
  jwt: [200],
  session: [200],
  refused: [401, 403],
  'create and revoke': [201, 204],
  refresh: [200],
};

/** A signed-in user. */
export interface SignIn {
  readonly user: number;
  readonly accessToken: string;
  readonly refreshToken: string;
}

const bearer = (credential: string): Headers => ({ authorization: `Bearer ${credential}` });
const whoAmI = (headers: Headers): Request => ({ path: '/whoami', headers });
const json = (headers: Headers = {}): Headers => ({ ...headers, 'content-type': 'application/json' });

/**
 * The requests of one connection.
 *
 * @param index of the connection among those of its role
 * @param signIn of a user that no other connection uses
 */
export function requestsOf(role: Role, index: number, signIn: SignIn): Request[] {
  const tokens = Array.from({ length: 20 }, (_, each) => rawToken(1 + index * 20 + each));
  switch (role) {
    case 'token':
      return tokens.map((token) => whoAmI(bearer(token)));
    case 'jwt':
      return [whoAmI(bearer(signIn.accessToken))];
    case 'session':
      return [whoAmI({ 'x-session-user': userId(signIn.user) })];
    case 'refused':
      return refused(tokens[0] ?? '', signIn);
    case 'create and revoke':
      return createAndRevoke(signIn);
    case 'refresh':
      return refresh(signIn);
  }
}

/** No credential, an unknown token, a malformed token and a broken JWT; then two valid ones without the scope. */
function refused(token: string, { accessToken }: SignIn): Request[] {
  return [
    whoAmI({}),
    whoAmI(bearer(rawToken(2 ** 40))),
    whoAmI(bearer('sigra_sk_no_token')),
    whoAmI(bearer(`${accessToken.slice(0, -4)}AAAA`)),
    { path: '/admin', headers: bearer(token) },
    { path: '/admin', headers: bearer(accessToken) },
  ];
}

function createAndRevoke({ user }: SignIn): Request[] {
  const session = { 'x-session-user': userId(user) };
  let id = '';
  return [
    {
      method: 'POST',
      path: '/api/tokens',
      headers: json(session),
      body: JSON.stringify({ name: 'soak', scopes: ['read:projects'] }),
      onResponse: (_status, body) => {
        ({ id } = (JSON.parse(body) as { token: { id: string } }).token);
      },
    },
    {
      method: 'DELETE',
      path: '/api/tokens',
      headers: session,
      setupRequest: (request) => ({ ...request, path: `/api/tokens/${id}` }),
    },
  ];
}

function refresh(signIn: SignIn): Request[] {
  let { refreshToken } = signIn;
  return [
    {
      method: 'POST',
      path: '/oauth/token',
      headers: json(),
      setupRequest: (request) => ({
        ...request,
        body: JSON.stringify({ grant_type: 'refresh_token', refresh_token: refreshToken }),
      }),
      onResponse: (_status, body) => {
        refreshToken = (JSON.parse(body) as { refresh_token: string }).refresh_token;
      },
    },
  ];
}
