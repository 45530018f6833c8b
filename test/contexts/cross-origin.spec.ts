import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createClient } from 'graphql-ws';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';
import { CROSS_ORIGIN } from '../support/answers.js';
import { type ContextHosts, startContextHosts } from '../support/context-hosts.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

type Headers = Record<string, string>;

/** Connects with the headers of a browser, and asks who it is. The browser sends the session in a header. */
interface Handshake {
  readonly handshake: string;
  ask(hosts: ContextHosts, headers: Headers): Promise<unknown>;
  urlOf(hosts: ContextHosts): string;
}

const HANDSHAKES: readonly Handshake[] = [
  ...['websocket', 'polling'].map((transport): Handshake => ({
    handshake: `socket.io over ${transport}`,
    urlOf: ({ express }) => express.url,
    ask: ({ express }, extraHeaders) =>
      new Promise((resolve) => {
        const socket = io(express.url, { transports: [transport], extraHeaders, forceNew: true });
        for (const event of ['answer', 'exception']) {
          socket.once(event, (outcome) => {
            socket.close();
            resolve(outcome);
          });
        }
        socket.emit('me');
      }),
  })),
  {
    handshake: 'ws',
    urlOf: ({ sockets }) => sockets.url,
    ask: async ({ sockets }, headers) => {
      const socket = new WebSocket(sockets.url.replace('http', 'ws'), { headers });
      await once(socket, 'open');
      socket.send(JSON.stringify({ event: 'me', data: null }));
      const [message] = (await once(socket, 'message')) as [Buffer];
      socket.close();
      return (JSON.parse(message.toString()) as { data: unknown }).data;
    },
  },
  {
    handshake: 'a subscription of Apollo',
    urlOf: ({ express }) => express.url,
    ask: ({ express }, headers) => subscribe(express.url, headers),
  },
  {
    handshake: 'a subscription of Mercurius',
    urlOf: ({ fastify }) => fastify.url,
    ask: ({ fastify }, headers) => subscribe(fastify.url, headers),
  },
];

function subscribe(url: string, headers: Headers, connectionParams: Record<string, unknown> = {}): Promise<unknown> {
  class BrowserSocket extends WebSocket {
    constructor(address: string, protocols: string | string[]) {
      super(address, protocols, { headers });
    }
  }
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: BrowserSocket,
    connectionParams,
    retryAttempts: 0,
  });
  return new Promise((resolve) => {
    const settle = (outcome: unknown) => {
      void client.dispose();
      resolve(outcome);
    };
    const refused = (errors: unknown) =>
      settle((errors as { extensions: { originalError: unknown } }[])[0]?.extensions.originalError);
    client.subscribe(
      { query: 'subscription { meChanged { userId method email } }' },
      {
        next: ({ data, errors }) => (errors ? refused(errors) : settle(data?.meChanged)),
        error: refused,
        complete: () => settle(undefined),
      },
    );
  });
}

describe('A session in a handshake', () => {
  let test: TestApp;
  let hosts: ContextHosts;
  let session: Headers;

  beforeAll(async () => {
    test = await startTestApp();
    const { session: options } = (await import('../support/test-app.js')).SIGRA_OPTIONS;
    hosts = await startContextHosts(test, { session: { ...options, trustedOrigins: ['https://app.example'] } });
    session = { 'x-session-user': test.user.id };
  });
  afterAll(async () => {
    await hosts.close();
    await test.close();
  });

  describe.each(HANDSHAKES)('of $handshake', ({ ask, urlOf }) => {
    it('counts from the own origin, from a trusted one, and from no browser', async () => {
      const me = { userId: test.user.id, method: 'session', email: test.user.email };

      expect(await ask(hosts, session)).toEqual(me);
      expect(await ask(hosts, { ...session, origin: urlOf(hosts) })).toEqual(me);
      expect(await ask(hosts, { ...session, origin: 'https://app.example' })).toEqual(me);
      expect(await ask(hosts, { ...session, 'sec-fetch-site': 'same-origin' })).toEqual(me);
    });

    it.each([
      ['another origin', { origin: 'https://evil.example' }],
      ['another port', { origin: 'http://127.0.0.1:1' }],
      ['a sandboxed page', { origin: 'null' }],
      ['another site without an origin', { 'sec-fetch-site': 'cross-site' }],
      [
        'another origin that pretends to be the same',
        { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' },
      ],
      ['a trusted origin over another scheme', { origin: 'http://app.example' }],
    ])('is refused from %s', async (_what, headers) => {
      expect(await ask(hosts, { ...session, ...headers })).toEqual(CROSS_ORIGIN.body);
    });

    it('is not asked for beside a token', async () => {
      const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });
      const headers = { ...session, origin: 'https://evil.example', authorization: `Bearer ${rawToken}` };

      expect(await ask(hosts, headers)).toMatchObject({ method: 'api_token' });
    });
  });

  it.each(['express', 'fastify'] as const)(
    'takes no headers from the parameters of a connection on %s',
    async (host) => {
      const { url } = hosts[host];
      const forged = {
        'sec-fetch-site': 'same-origin',
        origin: url,
        host: 'evil.example',
        'x-session-user': test.user.id,
      };

      expect(await subscribe(url, { ...session, origin: 'https://evil.example' }, forged)).toEqual(CROSS_ORIGIN.body);
      expect(await subscribe(url, {}, forged)).toMatchObject({ error: 'unauthorized' });
    },
  );
});
