import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TokenPair } from 'nestjs-sigra';
import { familyIdOf, type JwtApp, JWT, startJwtApp } from '../support/jwt-app.js';
import { ServerNode } from '../support/server-node.js';

describe('Two kinds of owners with the same ids and tables, in two processes', () => {
  let test: JwtApp;
  let users: ServerNode;
  let admins: ServerNode;
  let rawToken: string;
  let tokenId: string;
  let pair: TokenPair;

  beforeAll(async () => {
    test = await startJwtApp();
    await test.dataSource.query('CREATE TABLE admins (id uuid PRIMARY KEY, disabled_at timestamptz)');
    await test.dataSource.query('INSERT INTO admins SELECT id FROM users');
    const setup = { adapter: 'fastify', databaseUrl: test.databaseUrl, jwt: JWT } as const;
    [users, admins] = await Promise.all([
      ServerNode.start(setup),
      ServerNode.start({ ...setup, owners: { table: 'admins', type: 'admin' } }),
    ]);
    const issued = await test.tokens.create(test.user, { name: 'CI', scopes: ['*'] });
    [rawToken, tokenId] = [issued.rawToken, issued.token.id];
    pair = await test.jwt.generateTokens(test.user, ['*']);
  }, 60_000);
  afterAll(async () => {
    await Promise.all([users.stop(), admins.stop()]);
    await test.close();
  });

  const send = (node: ServerNode, method: string, path: string, headers: Record<string, string>, body?: object) =>
    fetch(node.url + path, {
      method,
      headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
  const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` });
  const refresh = (node: ServerNode, refreshToken: string) =>
    fetch(`${node.url}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken }),
    });

  it('accept no credential of each other, on any route', async () => {
    const routes = [
      ['GET', '/me'],
      ['GET', '/api/tokens'],
      ['POST', '/api/tokens', { name: 'CI', scopes: ['*'] }],
      ['DELETE', '/api/tokens'],
      ['DELETE', `/api/tokens/${tokenId}`],
      ['POST', `/api/tokens/${tokenId}/rotate`, {}],
      ['GET', '/api/scopes'],
      ['POST', '/api/jwt', { scopes: ['*'] }],
      ['GET', '/api/jwt'],
      ['DELETE', '/api/jwt'],
      ['DELETE', `/api/jwt/${familyIdOf(pair)}`],
    ] as const;

    for (const credential of [rawToken, pair.accessToken]) {
      for (const [method, path, body] of routes) {
        expect((await send(admins, method, path, bearer(credential), body)).status).toBe(401);
      }
      expect((await send(users, 'GET', '/me', bearer(credential))).status).toBe(200);
    }
  });

  it('do not boot with the same type', async () => {
    const setup = { adapter: 'fastify', databaseUrl: test.databaseUrl, jwt: JWT } as const;

    await expect(ServerNode.start({ ...setup, owners: { table: 'admins', type: 'user' } })).rejects.toThrow(
      'users.type is "user" for the ids in "public"."admins"."id", but belongs to "public"."users"."id"',
    );
  });

  it('refresh no token of each other, and do not revoke its family', async () => {
    const refused = await refresh(admins, pair.refreshToken);
    const refreshed = await refresh(users, pair.refreshToken);

    expect([refused.status, await refused.json()]).toMatchObject([400, { error: 'invalid_grant' }]);
    expect(refreshed.status).toBe(200);
  });

  it('neither see nor end the tokens of the owner with the same id', async () => {
    const session = { 'x-session-user': test.user.id };
    const created = await send(admins, 'POST', '/api/tokens', session, { name: 'admin', scopes: ['*'] });
    const { rawToken: ofAdmin } = (await created.json()) as { rawToken: string };

    const listed = (await (await send(admins, 'GET', '/api/tokens', session)).json()) as { tokens: { name: string }[] };
    const foreign = await send(admins, 'DELETE', `/api/tokens/${tokenId}`, session);
    const atUsers = await send(users, 'GET', '/me', bearer(ofAdmin));
    const revoked = await send(admins, 'DELETE', '/api/tokens', session);

    expect(listed.tokens.map(({ name }) => name)).toEqual(['admin']);
    expect([foreign.status, atUsers.status]).toEqual([404, 401]);
    expect(await revoked.json()).toEqual({ revoked: 1 });
    expect((await send(admins, 'GET', '/me', bearer(ofAdmin))).status).toBe(401);
    expect((await send(users, 'GET', '/me', bearer(rawToken))).status).toBe(200);
  });

  it('tell each other nothing about a token, and do not revoke it by its raw form', async () => {
    const session = { 'x-session-user': test.user.id };
    const body = { name: 'resource server', scopes: ['oauth:introspect'] };
    const clients = await Promise.all(
      [users, admins].map(async (node) => {
        const created = await send(node, 'POST', '/api/tokens', session, body);
        return (await created.json()) as { rawToken: string };
      }),
    );
    const post = async (node: ServerNode, path: string, token: string, client?: string) => {
      const answer = await fetch(node.url + path, {
        method: 'POST',
        headers: client === undefined ? {} : bearer(client),
        body: new URLSearchParams({ token }),
      });
      return path === '/oauth/introspect' ? ((await answer.json()) as object) : answer.status;
    };

    const fresh = await test.jwt.generateTokens(test.user, ['*']);

    for (const token of [rawToken, fresh.accessToken, fresh.refreshToken]) {
      const [atUsers, atAdmins] = await Promise.all(
        [users, admins].map((node, index) => post(node, '/oauth/introspect', token, clients[index]!.rawToken)),
      );
      expect([atUsers, atAdmins]).toEqual([expect.objectContaining({ active: true }), { active: false }]);
    }
    for (const token of [rawToken, fresh.refreshToken]) expect(await post(admins, '/oauth/revoke', token)).toBe(200);
    expect((await send(users, 'GET', '/me', bearer(rawToken))).status).toBe(200);
    expect((await refresh(users, fresh.refreshToken)).status).toBe(200);
  });
});
