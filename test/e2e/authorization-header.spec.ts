import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';
import { INVALID_TOKEN, MALFORMED_HEADER, SEVERAL_HEADERS, UNAUTHORIZED } from '../support/answers.js';
import { sendRaw } from '../support/raw-http.js';

describe.each(ADAPTERS)('The Authorization header on %s', (adapter) => {
  let test: TestApp;
  let rawToken: string;

  beforeAll(async () => {
    test = await startTestApp({ adapter });
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    ({ rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] }));
  });

  const get = (...headers: string[]) => sendRaw(test.url, ['GET /notes/me HTTP/1.1', 'Host: localhost', ...headers]);

  it.each(['Bearer', 'bearer', 'BEARER', 'bEaReR'])('accepts the scheme written as %s', async (scheme) => {
    const answer = await get(`Authorization: ${scheme} ${rawToken}`);

    expect(answer.status).toBe(200);
  });

  it('accepts a header name in any case, and several spaces around the credential', async () => {
    const answer = await get(`aUTHORIZATION:    Bearer    ${rawToken}   `);

    expect(answer.status).toBe(200);
  });

  it.each([
    ['no credential', 'Bearer'],
    ['only spaces after the scheme', 'Bearer    '],
    ['two credentials', 'Bearer abc def'],
    ['a list of credentials', 'Bearer abc, Bearer def'],
    ['a quoted credential', 'Bearer "abc"'],
    ['a parameter', 'Bearer token=abc, realm="x"'],
    ['a character outside of b64token', 'Bearer abc$def'],
    ['padding in the middle', 'Bearer abc=def'],
    ['only padding', 'Bearer =='],
    ['a character outside of ASCII', 'Bearer abc\xe9'],
    ['a tab after the scheme', 'Bearer\tabc'],
    ['a tab in the credential', 'Bearer abc\tdef'],
    ['a scheme that is not a token', ', Bearer abc'],
    ['a colon after the scheme', 'Bearer: abc'],
  ])('is malformed with %s', async (_what, value) => {
    const answer = await get(`Authorization: ${value}`);

    expect(answer).toEqual(MALFORMED_HEADER);
  });

  it('is malformed when it is empty, even beside a valid session', async () => {
    const answer = await get('Authorization:', `X-Session-User: ${test.user.id}`);

    expect(answer).toEqual(MALFORMED_HEADER);
  });

  it.each([
    ['Basic', 'Basic YWRhOnNlY3JldA=='],
    ['Digest', 'Digest username="ada", realm="x"'],
    ['a token without a scheme', 'sigra_sk_abc'],
    ['a scheme that begins like Bearer', 'Bearertoken abc'],
  ])('counts as a missing credential with %s', async (_what, value) => {
    const answer = await get(`Authorization: ${value}`);

    expect(answer).toEqual(UNAUTHORIZED);
  });

  it('excludes the session when it has another scheme', async () => {
    const answer = await get('Authorization: Basic YWRhOnNlY3JldA==', `X-Session-User: ${test.user.id}`);

    expect(answer).toEqual(UNAUTHORIZED);
  });

  it.each([
    ['a valid and an invalid one', (token: string) => [`Bearer ${token}`, 'Bearer abc']],
    ['an invalid and a valid one', (token: string) => ['Bearer abc', `Bearer ${token}`]],
    ['the same twice', (token: string) => [`Bearer ${token}`, `Bearer ${token}`]],
    ['another scheme first', (token: string) => ['Basic YWRhOnNlY3JldA==', `Bearer ${token}`]],
    ['an empty one first', (token: string) => ['', `Bearer ${token}`]],
  ])('is refused when there are two: %s', async (_what, values) => {
    const answer = await get(
      ...values(rawToken).map((value, index) => `${index ? 'authorization' : 'Authorization'}: ${value}`),
    );

    expect(answer).toEqual(SEVERAL_HEADERS);
  });

  it('is not read from headers with similar names', async () => {
    const answer = await get(`Proxy-Authorization: Bearer ${rawToken}`, `X-Authorization: Bearer ${rawToken}`);

    expect(answer).toEqual(UNAUTHORIZED);
  });

  it('is not read from a trailer', async () => {
    const answer = await sendRaw(
      test.url,
      ['GET /notes/me HTTP/1.1', 'Host: localhost', 'Transfer-Encoding: chunked', 'Trailer: Authorization'],
      `0\r\nAuthorization: Bearer ${rawToken}\r\n\r\n`,
    );

    expect(answer).toEqual(UNAUTHORIZED);
  });

  it('is refused with a credential of eight kilobytes like with any other invalid one', async () => {
    const answer = await get(`Authorization: Bearer sigra_sk_${'a'.repeat(8192)}`);

    expect(answer).toEqual(INVALID_TOKEN);
  });
});
