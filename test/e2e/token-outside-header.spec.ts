import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';
import { answerOf, TOKEN_OUTSIDE_HEADER, UNAUTHORIZED } from '../support/answers.js';

const FORM = 'application/x-www-form-urlencoded';

describe.each(ADAPTERS)('A token outside of the Authorization header on %s', (adapter) => {
  let test: TestApp;
  let rawToken: string;

  beforeAll(async () => {
    test = await startTestApp({ adapter });
    ({ rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes', 'write:notes'] }));
  });
  afterAll(() => test.close());

  const send = async (path: string, init?: RequestInit) => answerOf(await fetch(test.url + path, init));
  const bearer = () => ({ authorization: `Bearer ${rawToken}` });

  it.each(['access_token', 'access%5Ftoken', '%61ccess_token', 'page=2&access_token'])(
    'is refused in the query, as ?%s=',
    async (name) => {
      const answer = await send(`/notes/me?${name}=${rawToken}`);

      expect(answer).toEqual(TOKEN_OUTSIDE_HEADER);
    },
  );

  it('is refused in the query without a value', async () => {
    const answer = await send('/notes/me?access_token');

    expect(answer).toEqual(TOKEN_OUTSIDE_HEADER);
  });

  it('is refused in the query beside a valid header', async () => {
    const answer = await send(`/notes/me?access_token=${rawToken}`, { headers: bearer() });

    expect(answer).toEqual(TOKEN_OUTSIDE_HEADER);
  });

  it('is refused in the query beside a valid session', async () => {
    const answer = await send(`/notes/me?access_token=${rawToken}`, { headers: { 'x-session-user': test.user.id } });

    expect(answer).toEqual(TOKEN_OUTSIDE_HEADER);
  });

  it.each([FORM, FORM.toUpperCase(), `${FORM}; charset=utf-8`])('is refused in a form of type %s', async (type) => {
    const answer = await send('/notes', {
      method: 'POST',
      headers: { 'content-type': type },
      body: `access_token=${rawToken}`,
    });

    expect(answer).toEqual(TOKEN_OUTSIDE_HEADER);
  });

  it('is refused in a form beside a valid header', async () => {
    const answer = await send('/notes', {
      method: 'POST',
      headers: { ...bearer(), 'content-type': FORM },
      body: `access_token=${rawToken}`,
    });

    expect(answer).toEqual(TOKEN_OUTSIDE_HEADER);
  });

  it('is refused in a form that repeats it', async () => {
    const answer = await send('/notes', {
      method: 'POST',
      headers: { 'content-type': FORM },
      body: `access_token=${rawToken}&access_token=${rawToken}`,
    });

    expect(answer).toEqual(TOKEN_OUTSIDE_HEADER);
  });

  it('does not count as a credential in a JSON body, where the name can mean anything', async () => {
    const body = JSON.stringify({ access_token: rawToken });
    const headers = { 'content-type': 'application/json' };

    const alone = await send('/notes', { method: 'POST', headers, body });
    const besideHeader = await send('/notes', { method: 'POST', headers: { ...headers, ...bearer() }, body });

    expect(alone).toEqual(UNAUTHORIZED);
    expect(besideHeader.status).toBe(201);
  });

  it('does not count as a credential in a cookie', async () => {
    const answer = await send('/notes/me', { headers: { cookie: `access_token=${rawToken}` } });

    expect(answer).toEqual(UNAUTHORIZED);
  });

  it('is not confused with parameters of similar names, or with the path', async () => {
    const similar = await send('/notes/me?not_access_token=1&access_tokens=2&q=100%25', { headers: bearer() });
    const path = await fetch(`${test.url}/notes/access_token`, { headers: bearer() });

    expect(similar.status).toBe(200);
    expect(path.status).toBe(404);
  });
});
