import { once } from 'node:events';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SigraJwtService } from 'nestjs-sigra';
import { answerOf, INVALID_TOKEN, MALFORMED_HEADER } from '../support/answers.js';
import { sendRaw } from '../support/raw-http.js';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';
import { type GoodToken, resign, segments, signWithJose, standardClaims } from '../support/jwt-forge.js';
import { HOSTILE_APP, KEYS } from '../support/hostile-jwt.js';
import { reasonOf } from '../support/refusal.js';

const MALFORMED = { code: 'invalid_token', message: 'The JWT is malformed.' };

/** Headers with a valid token that RFC 6750 section 2.1 does not allow, as raw bytes. */
const UNSENDABLE: Readonly<Record<string, (good: GoodToken) => string>> = {
  'padding in the middle': ({ jwt }) => jwt.replace('.', '=.'),
  'a space in the middle': ({ jwt }) => jwt.replace('.', ' .'),
  'a comma at its end': ({ jwt }) => `${jwt},`,
  'a tab before it': ({ jwt }) => `\t${jwt}`,
  'a byte order mark before it': ({ jwt }) => Buffer.from(`\ufeff${jwt}`).toString('latin1'),
  'a Greek letter in it': ({ jwt }) => Buffer.from(jwt.replace('.', 'α.')).toString('latin1'),
  'quotes around it': ({ jwt }) => `"${jwt}"`,
  'JSON serialization, flattened': ({ jwt }) => {
    const [header, payload, signature] = segments(jwt);
    return JSON.stringify({ protected: header, payload, signature });
  },
  'JSON serialization, general': ({ jwt }) => {
    const [header, payload, signature] = segments(jwt);
    return JSON.stringify({ payload, signatures: [{ protected: header, signature }] });
  },
};

describe.each(ADAPTERS)('A JWT that does not fit into a header, on %s', (adapter) => {
  let test: TestApp;
  let good: GoodToken;

  beforeAll(async () => {
    test = await startTestApp({ adapter, ...HOSTILE_APP });
    good = await signWithJose(KEYS.rsa, standardClaims(test.user.id, test.clock.now()));
  });
  afterAll(() => test.close());

  const send = (credential: string) =>
    sendRaw(test.url, ['GET /notes/me HTTP/1.1', 'Host: localhost', `Authorization: Bearer ${credential}`]);
  const verify = (jwt: unknown) => reasonOf(test.get(SigraJwtService).verifyAccess(jwt as string));

  it.each(Object.entries(UNSENDABLE))('causes a malformed header: %s', async (_what, change) => {
    const accepted = await send(good.jwt);
    const refused = await send(change(good));

    expect(accepted.status).toBe(200);
    expect(refused).toEqual(MALFORMED_HEADER);
    expect(await verify(change(good))).toEqual(MALFORMED);
  });

  it('ends at the line break, after which another header begins', async () => {
    const answer = await send(`${good.jwt}\r\nX-Other: 1`);

    expect(answer.status).toBe(200);
    expect(await verify(`${good.jwt}\n`)).toEqual(MALFORMED);
    expect(await verify(`${good.jwt}\r\n`)).toEqual(MALFORMED);
    expect(await verify(`\n${good.jwt}`)).toEqual(MALFORMED);
  });

  it('is rejected by verifyAccess when it is not a string', async () => {
    const values = [undefined, null, 42, {}, [good.jwt], Buffer.from(good.jwt), { toString: () => good.jwt }];

    const reasons = await Promise.all(values.map(verify));

    expect(reasons).toEqual(values.map(() => MALFORMED));
  });

  it('is refused by the server at 20 KB, and by the library at 1 MB', async () => {
    const large = resign(good, { payload: { fill: 'x'.repeat(15_000) } });
    const huge = resign(good, { payload: { fill: 'x'.repeat(1_000_000) } });

    const outcome = await statusOf(large);
    const afterwards = await send(good.jwt);

    expect(outcome).toBe(431);
    expect(afterwards.status).toBe(200);
    expect(await verify(huge)).toEqual(MALFORMED);
  });

  it('is refused with the same answer when it is a refresh token', async () => {
    const { accessToken, refreshToken } = await test.get(SigraJwtService).generateTokens(test.user, ['read:notes']);

    const accepted = await send(accessToken);
    const refused = await send(refreshToken);

    expect(accepted.status).toBe(200);
    expect(refused).toEqual(INVALID_TOKEN);
    expect(await verify(refreshToken)).toEqual(MALFORMED);
  });

  it('is refused with the same answer when it is an ID token (RFC 9068 section 5)', async () => {
    const claims = { client_id: undefined, scope: undefined, nonce: 'n-0S6_WzA2Mj', auth_time: good.payload.iat };
    const idToken = resign(good, { header: { typ: 'JWT' }, payload: claims });

    const refused = await send(idToken);

    expect(refused).toEqual(INVALID_TOKEN);
    expect(await verify(idToken)).toEqual({ code: 'invalid_token', message: 'typ is not at+jwt.' });
  });

  it('is read only from the header, never from a query or a form', async () => {
    const inQuery = await answerOf(await fetch(`${test.url}/notes/me?access_token=${good.jwt}`));
    const inForm = await answerOf(
      await fetch(`${test.url}/notes`, { method: 'POST', body: new URLSearchParams({ access_token: good.jwt }) }),
    );

    expect([inQuery, inForm]).toMatchObject([
      { status: 400, body: { error: 'invalid_request' } },
      { status: 400, body: { error: 'invalid_request' } },
    ]);
  });

  async function statusOf(jwt: string): Promise<number | undefined> {
    const sent = request(`${test.url}/notes/me`, { headers: { authorization: `Bearer ${jwt}`, connection: 'close' } });
    sent.end();
    const [response] = (await once(sent, 'response')) as [{ statusCode?: number; resume(): void }];
    response.resume();
    return response.statusCode;
  }
});
