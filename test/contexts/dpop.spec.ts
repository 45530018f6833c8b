import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SigraJwtService } from 'nestjs-sigra';
import { WebSocket } from 'ws';
import { INVALID_TOKEN, invalidRequest } from '../support/answers.js';
import { CONTEXTS } from '../support/context-clients.js';
import { type ContextHosts, startContextHosts } from '../support/context-hosts.js';
import { DpopClient } from '../support/dpop-client.js';
import { JWT } from '../support/jwt-app.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const BASE = 'https://api.example';
const DPOP_JWT = { ...JWT, dpop: { mode: 'optional', baseUrls: [BASE] } } as const;

describe('A token that is bound to a key in each context', () => {
  let test: TestApp;
  let hosts: ContextHosts;
  let client: DpopClient;
  let accessToken: string;

  beforeAll(async () => {
    test = await startTestApp({ sigra: { jwt: DPOP_JWT } });
    hosts = await startContextHosts(test, { jwt: DPOP_JWT });
    client = new DpopClient();
    const binding = { dpopThumbprint: client.thumbprint };
    ({ accessToken } = await test.get(SigraJwtService).generateTokens(test.user, ['write:notes'], {}, binding));
  });
  afterAll(async () => {
    await hosts.close();
    await test.close();
  });

  it.each(CONTEXTS)('is refused as a bearer credential: $context', async ({ connect }) => {
    const connection = await connect(hosts, { token: accessToken });

    const answer = await connection.ask('me');
    await connection.close();

    expect(answer).toEqual(INVALID_TOKEN.body);
  });

  it.each(['express', 'fastify'] as const)('serves all fields of a GraphQL operation on %s, once', async (name) => {
    const headers = {
      ...client.headers('POST', `${BASE}/graphql`, accessToken),
      'content-type': 'application/json',
    };
    const body = JSON.stringify({ query: '{ me { userId } scoped { method } again: me { method } }' });
    const ask = async () =>
      (await (await fetch(`${hosts[name].url}/graphql`, { method: 'POST', headers, body })).json()) as {
        errors?: { extensions: { originalError: object } }[];
        data: object;
      };

    const [first, second] = [await ask(), await ask()];

    expect(first).toEqual({
      data: { me: { userId: test.user.id }, scoped: { method: 'jwt' }, again: { method: 'jwt' } },
    });
    expect(second.errors?.[0]?.extensions.originalError).toMatchObject({
      error: 'invalid_dpop_proof',
      message: 'The proof was used before.',
    });
  });

  it('is refused with a proof for messages, which are not HTTP requests', async () => {
    const headers = client.headers('GET', `${BASE}/`, accessToken);
    const socket = new WebSocket(hosts.sockets.url.replace('http', 'ws'), { headers });
    await once(socket, 'open');

    socket.send(JSON.stringify({ event: 'me', data: {} }));
    const [message] = (await once(socket, 'message')) as [Buffer];
    socket.close();
    await once(socket, 'close');

    expect(JSON.parse(message.toString())).toMatchObject({
      data: invalidRequest('A DPoP proof is for one HTTP request; messages need a credential without a key.').body,
    });
  });
});
