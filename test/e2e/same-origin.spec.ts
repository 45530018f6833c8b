import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ADAPTERS, SIGRA_OPTIONS, startTestApp, type TestApp } from '../support/test-app.js';
import { CROSS_ORIGIN, UNAUTHORIZED } from '../support/answers.js';
import { sendRaw } from '../support/raw-http.js';

const HOST = 'notes.example.com';

describe.each(ADAPTERS)('An unsafe request with a session on %s', (adapter) => {
  let test: TestApp;

  beforeAll(async () => {
    const session = { ...SIGRA_OPTIONS.session, trustedOrigins: ['https://app.example.com', 'http://localhost:5173'] };
    test = await startTestApp({ adapter, sigra: { session } });
  });
  afterAll(() => test.close());

  const send = (method: string, path: string, headers: Record<string, string>, host = HOST) =>
    sendRaw(test.url, [
      `${method} ${path} HTTP/1.1`,
      `Host: ${host}`,
      `X-Session-User: ${test.user.id}`,
      // Browsers send it with the methods that allow a body.
      ...(method === 'GET' || method === 'HEAD' ? [] : ['Content-Length: 0']),
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ]);
  const post = (headers: Record<string, string>, host?: string) => send('POST', '/notes', headers, host);

  it.each<[string, Record<string, string>]>([
    ['the same origin', { 'Sec-Fetch-Site': 'same-origin', Origin: `https://${HOST}` }],
    ['the same origin, without a referrer', { 'Sec-Fetch-Site': 'same-origin', Origin: 'null' }],
    ['the user, without a page', { 'Sec-Fetch-Site': 'none' }],
    ['the same origin, in a browser without Fetch Metadata', { Origin: `https://${HOST}` }],
    ['a client other than a browser', {}],
    ['a trusted origin', { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://app.example.com' }],
    ['a trusted origin of the same site', { 'Sec-Fetch-Site': 'same-site', Origin: 'https://app.example.com' }],
    ['a trusted origin, in a browser without Fetch Metadata', { Origin: 'http://localhost:5173' }],
  ])('is accepted from %s', async (_what, headers) => {
    const answer = await post(headers);

    expect(answer.status).toBe(201);
  });

  it.each<[string, Record<string, string>]>([
    ['another site', { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' }],
    ['another site that hides its origin', { 'Sec-Fetch-Site': 'cross-site' }],
    ['another site that forges only Origin', { 'Sec-Fetch-Site': 'cross-site', Origin: `https://${HOST}` }],
    ['a subdomain of the same site', { 'Sec-Fetch-Site': 'same-site', Origin: `https://blog.${HOST}` }],
    ['another scheme of the same host', { 'Sec-Fetch-Site': 'cross-site', Origin: `http://${HOST}` }],
    ['a sandboxed page', { 'Sec-Fetch-Site': 'cross-site', Origin: 'null' }],
    ['a page with an unknown Sec-Fetch-Site', { 'Sec-Fetch-Site': 'trust-me', Origin: `https://${HOST}` }],
    [
      'a page with two values of Sec-Fetch-Site',
      { 'Sec-Fetch-Site': 'same-origin, cross-site', Origin: `https://${HOST}` },
    ],
    ['another origin, in a browser without Fetch Metadata', { Origin: 'https://evil.example' }],
    ['a sandboxed page, in a browser without Fetch Metadata', { Origin: 'null' }],
    ['a subdomain, in a browser without Fetch Metadata', { Origin: `https://blog.${HOST}` }],
    ['the parent domain, in a browser without Fetch Metadata', { Origin: 'https://example.com' }],
    ['a host that ends like ours', { Origin: `https://evil-${HOST}` }],
    ['a host that begins like ours', { Origin: `https://${HOST}.evil.example` }],
    ['a host that has ours as its user name', { Origin: `https://${HOST}@evil.example` }],
    ['another port', { Origin: `https://${HOST}:8443` }],
    ['a file', { Origin: 'file://' }],
    ['two origins in one header', { Origin: `https://${HOST}, https://evil.example` }],
    ['an origin that is only a host', { Origin: HOST }],
    ['an empty origin', { Origin: '' }],
    ['a trusted host with another scheme', { Origin: 'http://app.example.com' }],
    ['a trusted host with another port', { Origin: 'https://app.example.com:8443' }],
    ['a subdomain of a trusted host', { Origin: 'https://evil.app.example.com' }],
    ['a trusted origin with a path', { Origin: 'https://app.example.com/' }],
  ])('is refused from %s', async (_what, headers) => {
    const answer = await post(headers);

    expect(answer).toEqual(CROSS_ORIGIN);
  });

  it.each([
    ['NOTES.Example.COM', 'https://notes.example.com'],
    ['notes.example.com:443', 'https://notes.example.com'],
    ['notes.example.com:80', 'http://notes.example.com'],
    ['notes.example.com:3000', 'http://notes.example.com:3000'],
    ['127.0.0.1:3000', 'http://127.0.0.1:3000'],
    ['[::1]:3000', 'http://[::1]:3000'],
  ])('counts as same-origin when Host is %s and Origin is %s', async (host, origin) => {
    const answer = await post({ Origin: origin }, host);

    expect(answer.status).toBe(201);
  });

  it.each([
    ['notes.example.com:3000', 'http://notes.example.com'],
    ['notes.example.com', 'http://notes.example.com:3000'],
    ['notes.example.com:80', 'https://notes.example.com'],
    ['127.0.0.1:3000', 'http://localhost:3000'],
    ['', 'file://'],
    ['', 'null'],
  ])('counts as cross-origin when Host is "%s" and Origin is %s', async (host, origin) => {
    const answer = await post({ Origin: origin }, host);

    expect(answer).toEqual(CROSS_ORIGIN);
  });

  it('counts as cross-origin when it has no host and a sandboxed page sent it', async () => {
    const answer = await sendRaw(test.url, [
      'POST /notes HTTP/1.0',
      `X-Session-User: ${test.user.id}`,
      'Content-Length: 0',
      'Origin: null',
    ]);

    expect(answer).toEqual(CROSS_ORIGIN);
  });

  it.each(['X-Forwarded-Host', 'Forwarded', 'X-Original-Host', 'X-Host', 'Referer'])(
    'does not get its host from %s',
    async (name) => {
      const value =
        name === 'Forwarded' ? 'host=evil.example' : name === 'Referer' ? `https://${HOST}/` : 'evil.example';

      const answer = await post({ Origin: 'https://evil.example', [name]: value });

      expect(answer).toEqual(CROSS_ORIGIN);
    },
  );

  it.each(['POST', 'DELETE'])('is refused from another site for every method: %s', async (method) => {
    const answer = await send(method, '/api/tokens', { 'Sec-Fetch-Site': 'cross-site' });

    expect(answer).toEqual(CROSS_ORIGIN);
  });

  it('is recognized by its real method, not by one in a header or a parameter', async () => {
    const answer = await send('POST', '/notes?_method=GET', {
      'X-HTTP-Method-Override': 'GET',
      'Sec-Fetch-Site': 'cross-site',
    });

    expect(answer).toEqual(CROSS_ORIGIN);
  });

  it.each(['GET', 'HEAD'])('does not include %s, which is accepted from another site', async (method) => {
    const answer = await send(method, '/notes', { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' });

    expect(answer.status).toBe(200);
  });

  it('is accepted from another site with a bearer credential, which no browser sends by itself', async () => {
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['write:notes'] });

    const answer = await post({
      Authorization: `Bearer ${rawToken}`,
      'Sec-Fetch-Site': 'cross-site',
      Origin: 'https://evil.example',
    });

    expect(answer.status).toBe(201);
  });

  it('is answered 401 when there is no session, from any origin', async () => {
    const answer = await sendRaw(test.url, [
      'POST /notes HTTP/1.1',
      `Host: ${HOST}`,
      'Content-Length: 0',
      'Sec-Fetch-Site: cross-site',
    ]);

    expect(answer).toEqual(UNAUTHORIZED);
  });
});
