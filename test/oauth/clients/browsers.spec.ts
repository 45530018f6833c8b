import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import axios from 'axios';
import { createAuthRefresh } from 'axios-auth-refresh';
import ky from 'ky';
import { type Issuer, startIssuer } from '../../support/oauth-issuer.js';
import { refusalOf } from '../../support/refusal.js';
import { ADAPTERS } from '../../support/test-app.js';

const API = '/api/v1/api/scopes';
const OAUTH = '/api/v1/oauth';

interface TokenAnswer {
  readonly access_token: string;
  readonly refresh_token: string;
}

describe.each(ADAPTERS)('Clients in browsers of an application on %s', (adapter) => {
  let issuer: Issuer;

  beforeAll(async () => {
    issuer = await startIssuer(adapter);
  });
  afterAll(() => issuer.close());

  it('axios with axios-auth-refresh refreshes and signs out, with its bearer credential on every request', async () => {
    const stored = { accessToken: 'eyJ.expired.token', refreshToken: (await issuer.signIn()).refreshToken };
    const api = axios.create({ baseURL: issuer.url });
    // Of its README. The token endpoint gets the header, too.
    api.interceptors.request.use((request) => {
      request.headers.Authorization = `Bearer ${stored.accessToken}`;
      return request;
    });
    let refreshes = 0;
    const refresh = async () => {
      refreshes++;
      const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: stored.refreshToken });
      const { data } = await api.post<TokenAnswer>(`${OAUTH}/token`, form, { skipAuthRefresh: true } as object);
      Object.assign(stored, { accessToken: data.access_token, refreshToken: data.refresh_token });
    };
    // Its types name another build of axios.
    createAuthRefresh(api as never, refresh);

    const answers = [await api.get(API), ...(await Promise.all([api.get(API), api.get(API)]))];
    const signedOut = await api.post(`${OAUTH}/revoke`, new URLSearchParams({ token: stored.refreshToken }));

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect([refreshes, signedOut.status]).toEqual([1, 200]);
    expect(await refusalOf(issuer.jwt.refresh(stored.refreshToken))).toBe('token_revoked');
    expect(await issuer.accepts(stored.accessToken)).toBe(false);
  });

  it('axios and ky find the endpoint, and narrow the scopes of a refresh, but not widen them', async () => {
    const clients: Record<string, (path: string, form?: URLSearchParams) => Promise<Record<string, string>>> = {
      axios: async (url, form) => (await (form ? axios.post(url, form) : axios.get(url))).data as never,
      ky: (url, form) => (form ? ky.post(url, { body: form }) : ky.get(url)).json(),
    };

    for (const [client, send] of Object.entries(clients)) {
      const { refreshToken } = await issuer.signIn('read:notes', 'write:notes');
      const { token_endpoint } = await send(`${issuer.url}/.well-known/oauth-authorization-server`);
      const refresh = (token: string, scope: string) =>
        send(token_endpoint!, new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token, scope }));

      const narrow = await refresh(refreshToken, 'read:notes');
      const wider = await refresh(narrow.refresh_token!, 'read:notes admin').catch((error: unknown) => error);

      expect([client, narrow.scope]).toEqual([client, 'read:notes']);
      expect(wider).toMatchObject({ response: { status: 400 } });
    }
  });

  it('ky refreshes in a hook and repeats the request', async () => {
    let { refreshToken } = await issuer.signIn();
    let accessToken = 'eyJ.expired.token';
    const api = ky.create({
      prefixUrl: issuer.url,
      hooks: {
        beforeRequest: [
          (request) => {
            request.headers.set('authorization', `Bearer ${accessToken}`);
          },
        ],
        afterResponse: [
          async (request, options, response) => {
            if (response.status !== 401) return undefined;
            const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken });
            const pair = await ky.post(`${issuer.url}${OAUTH}/token`, { body }).json<TokenAnswer>();
            ({ access_token: accessToken, refresh_token: refreshToken } = pair);
            request.headers.set('authorization', `Bearer ${accessToken}`);
            return ky(request, options);
          },
        ],
      },
    });

    const { scopes } = await api.get(API.slice(1)).json<{ scopes: string[] }>();
    const revoked = await ky.post(`${issuer.url}${OAUTH}/revoke`, {
      body: new URLSearchParams({ token: accessToken }),
    });

    expect(scopes).toContain('profile:read');
    expect(revoked.status).toBe(200);
    expect(await refusalOf(issuer.jwt.refresh(refreshToken))).toBe('token_revoked');
  });
});
