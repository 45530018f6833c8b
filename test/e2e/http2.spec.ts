import { once } from 'node:events';
import { type ClientHttp2Session, connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { type Answer, CROSS_ORIGIN, MALFORMED_HEADER, UNAUTHORIZED } from '../support/answers.js';
import { type HostApp, startHost } from '../support/host-app.js';

describe('Over HTTP/2, which has no Host header', () => {
  let test: TestApp;
  let host: HostApp;
  let session: ClientHttp2Session;

  beforeAll(async () => {
    test = await startTestApp();
    host = await startHost({ adapter: 'fastify', http2: true, databaseUrl: test.databaseUrl });
    session = connect(host.url);
  });
  afterAll(async () => {
    session.close();
    await host.close();
    await test.close();
  });

  async function send(method: string, path: string, headers: OutgoingHttpHeaders): Promise<Answer> {
    const request = session.request({
      ':method': method,
      ':path': path,
      ':authority': 'notes.example.com',
      ...headers,
    });
    request.setEncoding('utf8').end();
    const [answered] = (await once(request, 'response')) as [IncomingHttpHeaders & { ':status': number }];
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const challenge = answered['www-authenticate'] ?? null;
    return { status: answered[':status'], challenge, body: JSON.parse(body) as unknown };
  }

  it('a token is accepted, and a missing or malformed credential is refused', async () => {
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['api_tokens:read'] });

    expect((await send('GET', '/api/tokens', { authorization: `Bearer ${rawToken}` })).status).toBe(200);
    expect(await send('GET', '/api/tokens', {})).toEqual(UNAUTHORIZED);
    expect(await send('GET', '/api/tokens', { authorization: 'Bearer a b' })).toEqual(MALFORMED_HEADER);
  });

  it.each([
    ['the same origin', { origin: 'https://notes.example.com' }, 200],
    ['a client other than a browser', {}, 200],
    ['the same origin, by Fetch Metadata', { 'sec-fetch-site': 'same-origin', origin: 'null' }, 200],
  ])('a session can change something from %s', async (_what, headers, status) => {
    const answer = await send('DELETE', '/api/tokens', { 'x-session-user': test.user.id, ...headers });

    expect(answer.status).toBe(status);
  });

  it.each([
    ['another origin', { origin: 'https://evil.example' }],
    ['a sandboxed page', { origin: 'null' }],
    ['another origin that forges the host', { origin: 'https://evil.example', 'x-forwarded-host': 'evil.example' }],
    ['another site', { 'sec-fetch-site': 'cross-site' }],
  ])('a session cannot change anything from %s', async (_what, headers) => {
    const answer = await send('DELETE', '/api/tokens', { 'x-session-user': test.user.id, ...headers });

    expect(answer).toEqual(CROSS_ORIGIN);
  });
});
