import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { encodeCursor } from 'nestjs-sigra';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';
import { sendRaw } from '../support/raw-http.js';
import { TokenClient } from '../support/token-client.js';

const VALID = { name: 'CI', scopes: ['read:notes'] };
const ID = '00000000-0000-7000-8000-000000000000';

describe.each(ADAPTERS)('Input to the token controller on %s', (adapter) => {
  let test: TestApp;
  let page: TokenClient;

  beforeAll(async () => {
    test = await startTestApp({ adapter });
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    page = TokenClient.inSession(test, (await test.addUser('somebody@example.com')).id);
  });
  /** A refused request must change nothing. */
  const expectNoTokens = async () => expect((await page.list()).body.tokens).toEqual([]);

  describe('in the body of a creation', () => {
    it.each<[string, unknown, string]>([
      ['an empty object', {}, 'name_required'],
      ['no name', { scopes: VALID.scopes }, 'name_required'],
      ['a name of null', { ...VALID, name: null }, 'name_required'],
      ['a name that is a number', { ...VALID, name: 5 }, 'name_required'],
      ['a name that is an array', { ...VALID, name: ['CI'] }, 'name_required'],
      ['a name that is an object', { ...VALID, name: { toString: 'CI' } }, 'name_required'],
      ['a name of spaces', { ...VALID, name: ' \t\n ' }, 'name_required'],
      ['a name of 256 characters', { ...VALID, name: 'x'.repeat(256) }, 'name_too_long'],
      ['a name with a NUL', { ...VALID, name: 'C\0I' }, 'invalid_name'],
      ['a name with a line break', { ...VALID, name: 'C\r\nI' }, 'invalid_name'],
      ['a name with half a surrogate pair', { ...VALID, name: 'C\ud800I' }, 'invalid_name'],
      ['no scopes', { name: 'CI' }, 'scopes_required'],
      ['scopes of null', { ...VALID, scopes: null }, 'scopes_required'],
      ['empty scopes', { ...VALID, scopes: [] }, 'scopes_required'],
      ['scopes that are a string', { ...VALID, scopes: 'read:notes' }, 'scopes_required'],
      ['scopes that only look like an array', { ...VALID, scopes: { 0: 'read:notes', length: 1 } }, 'scopes_required'],
      ['scopes that are numbers', { ...VALID, scopes: [1] }, 'invalid_scope_format'],
      ['scopes that are arrays', { ...VALID, scopes: [['read:notes']] }, 'invalid_scope_format'],
      ['scopes with null', { ...VALID, scopes: ['read:notes', null] }, 'invalid_scope_format'],
      ['an empty scope', { ...VALID, scopes: [''] }, 'invalid_scope_format'],
      ['two scopes in one', { ...VALID, scopes: ['read:notes write:notes'] }, 'invalid_scope_format'],
      ['a scope with a quote', { ...VALID, scopes: ['read:notes"'] }, 'invalid_scope_format'],
      ['a scope with a NUL', { ...VALID, scopes: ['read:notes\0'] }, 'invalid_scope_format'],
      ['a scope in capitals', { ...VALID, scopes: ['READ:NOTES'] }, 'invalid_scope_format'],
      ['a wildcard in the middle', { ...VALID, scopes: ['*:notes'] }, 'invalid_scope_format'],
      ['a scope of 10,000 characters', { ...VALID, scopes: ['a'.repeat(10_000)] }, 'invalid_scope_format'],
      ['an unregistered scope', { ...VALID, scopes: ['read:secrets'] }, 'unregistered_scopes'],
      ['a wildcard over nothing', { ...VALID, scopes: ['secrets:*'] }, 'unregistered_scopes'],
      ['an inherited property as a scope', { ...VALID, scopes: ['constructor'] }, 'unregistered_scopes'],
      ['an expiry that is a number', { ...VALID, expiresAt: 4_000_000_000_000 }, 'invalid_expiry'],
      ['an expiry that is an object', { ...VALID, expiresAt: {} }, 'invalid_expiry'],
      ['an empty expiry', { ...VALID, expiresAt: '' }, 'invalid_expiry'],
      ['an expiry without a zone', { ...VALID, expiresAt: '2999-01-01T00:00:00' }, 'invalid_expiry'],
      ['an expiry without a time', { ...VALID, expiresAt: '2999-01-01' }, 'invalid_expiry'],
      ['an expiry in month 13', { ...VALID, expiresAt: '2999-13-01T00:00:00Z' }, 'invalid_expiry'],
      ['an expiry in words', { ...VALID, expiresAt: 'tomorrow' }, 'invalid_expiry'],
      ['an expiry beyond the range of Date', { ...VALID, expiresAt: '+275760-09-13T00:00:00Z' }, 'invalid_expiry'],
      ['an expiry in the past', { ...VALID, expiresAt: '2001-01-01T00:00:00Z' }, 'expiry_in_past'],
      ['an unknown field', { ...VALID, admin: true }, 'invalid_request'],
      ['a field in another case', { ...VALID, Scopes: ['admin'] }, 'invalid_request'],
      ['an array', [VALID], 'invalid_request'],
      ['an empty array', [], 'invalid_request'],
    ])('refuses %s', async (_what, body, code) => {
      const answer = await page.create(body);

      expect([answer.status, answer.body.error]).toEqual([400, code]);
      expect(answer.body.statusCode).toBe(400);
      await expectNoTokens();
    });

    it.each([
      ['null', 'null'],
      ['a string', '"name"'],
      ['a number', '5'],
      ['true', 'true'],
      ['half of an object', '{"name":"CI"'],
      ['two objects', '{"name":"CI"}{"name":"CI"}'],
      ['a NUL', '\0'],
      ['no characters', ''],
    ])('refuses a JSON body of %s', async (_what, body) => {
      const answer = await page.send('POST', '/api/tokens', body);

      expect(answer.status).toBe(400);
      await expectNoTokens();
    });

    it('refuses a request without a body', async () => {
      const answer = await page.send('POST', '/api/tokens');

      expect([answer.status, answer.body.error]).toEqual([400, 'name_required']);
    });

    it.each(['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'])(
      'refuses a field called %s, and pollutes no prototype',
      async (field) => {
        const answer = await page.send(
          'POST',
          '/api/tokens',
          `{"name":"CI","scopes":["read:notes"],"${field}":{"prototype":{"polluted":1},"polluted":1}}`,
        );

        expect(answer.status).toBe(400);
        expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
        await expectNoTokens();
      },
    );

    it('reads no name and no scopes from a prototype', async () => {
      const answer = await page.send('POST', '/api/tokens', '{"__proto__":{"name":"CI","scopes":["read:notes"]}}');

      expect(answer.status).toBe(400);
      await expectNoTokens();
    });

    it('refuses a body of ten megabytes before it reads it', async () => {
      const answer = await page.create({ ...VALID, name: 'x'.repeat(10_000_000) });

      expect(answer.status).toBe(413);
      await expectNoTokens();
    });

    it('refuses a body that is nested tens of thousands of levels deep', async () => {
      const depth = 30_000;
      const answer = await page.send(
        'POST',
        '/api/tokens',
        `{"name":"CI","scopes":${'['.repeat(depth)}${']'.repeat(depth)}}`,
      );

      expect([answer.status, answer.body.error]).toEqual([400, 'invalid_request']);
    });

    it('refuses a body of another type', async () => {
      const answers = await Promise.all([
        page.send('POST', '/api/tokens', '<name>CI</name>', 'application/xml'),
        page.send('POST', '/api/tokens', 'name=CI', 'text/plain'),
      ]);

      for (const { status } of answers) expect([400, 415]).toContain(status);
      await expectNoTokens();
    });

    it.each([
      ['letters beyond Latin-1', '\u0438\u043c\u044f'],
      ['an emoji', '\u{1f511}'],
      ['half a surrogate pair', '\ud83d'],
      ['control characters', 'a\u007f\u0080\u009f'],
      ['line separators', 'a\u2028\u2029'],
      ['a line break and a header', 'x\r\nSet-Cookie: a=b'],
      ['quotes and backslashes', '"\\"\\\\'],
    ])('names an unknown field of %s in an answer that a client can read', async (_what, field) => {
      const answer = await page.create({ ...VALID, [field]: 1 });

      expect([answer.status, answer.body.error]).toEqual([400, 'invalid_request']);
      expect(answer.body.message).toMatch(/^Unknown field /);
      expect(answer.headers.get('set-cookie')).toBeNull();
      // The characters that error_description allows (RFC 6750 section 3).
      expect(answer.headers.get('www-authenticate')).toMatch(
        /^Bearer realm="api", error="invalid_request", error_description="[\x20\x21\x23-\x5b\x5d-\x7e]*"$/,
      );
    });

    it('keeps its answer to a thousand unknown fields short', async () => {
      const fields = Object.fromEntries(
        Array.from({ length: 1000 }, (_, index) => [`field${index}`.padEnd(60, 'x'), 1]),
      );

      const answer = await page.create({ ...VALID, ...fields });

      expect(answer.status).toBe(400);
      expect(answer.headers.get('www-authenticate')!.length).toBeLessThan(500);
    });

    it('keeps its answer to hundreds of unregistered scopes short', async () => {
      const scopes = Array.from({ length: 250 }, (_, index) => `scope:${index}`);

      const answer = await page.create({ name: 'CI', scopes });

      expect([answer.status, answer.body.error]).toEqual([400, 'unregistered_scopes']);
      expect(JSON.stringify(answer.body).length).toBeLessThan(2000);
    });

    it('accepts unusual but valid names', async () => {
      const names = [
        'x'.repeat(255),
        '\u{1f511}'.repeat(255),
        '"><script>alert(1)</script>',
        "'; DROP TABLE users; --",
        '__proto__',
      ];

      const answers = await Promise.all(names.map((name) => page.create({ ...VALID, name })));

      expect(answers.map(({ status }) => status)).toEqual(names.map(() => 201));
      expect(answers.map(({ body }) => body.token.name)).toEqual(names);
    });

    it('grants a repeated scope once', async () => {
      const answer = await page.create({ ...VALID, scopes: ['read:notes', 'read:notes'] });

      expect(answer.body.token.scopes).toEqual(['read:notes']);
    });
  });

  describe('in the body of a change', () => {
    it.each<[string, unknown, string]>([
      ['a name of null', { name: null }, 'name_required'],
      ['a description that is an object', { description: {} }, 'invalid_description'],
      ['metadata that are an array', { metadata: [] }, 'invalid_metadata'],
      ['metadata that are a string', { metadata: 'a' }, 'invalid_metadata'],
      ['scopes of null', { scopes: null }, 'scopes_required'],
      ['an unregistered scope', { scopes: ['read:secrets'] }, 'unregistered_scopes'],
      ['an expiry that is a number', { expiresAt: 4_000_000_000_000 }, 'invalid_expiry'],
      ['an expiry without a time zone', { expiresAt: '2999-01-01T00:00:00' }, 'invalid_expiry'],
      ['an expiry in the past', { expiresAt: '2020-01-01T00:00:00Z' }, 'expiry_in_past'],
      ['a later expiry', { expiresAt: '2999-01-02T00:00:00Z' }, 'ttl_exceeded'],
      ['no expiry', { expiresAt: null }, 'ttl_exceeded'],
      ['another owner', { userId: ID }, 'invalid_request'],
      ['the time of a revocation', { revokedAt: null }, 'invalid_request'],
      ['a hash', { tokenHash: 'aa' }, 'invalid_request'],
      ['an array', [{ name: 'x' }], 'invalid_request'],
    ])('refuses %s', async (_what, body, code) => {
      const { token } = (await page.create({ ...VALID, expiresAt: '2999-01-01T00:00:00Z' })).body;

      const answer = await page.update(token.id, body);

      expect([answer.status, answer.body.error]).toEqual([400, code]);
      expect((await page.list()).body.tokens).toEqual([token]);
    });

    it('keeps a member __proto__ of the metadata as data, and pollutes no prototype', async () => {
      const { token } = (await page.create(VALID)).body;

      const answer = await page.send('PATCH', `/api/tokens/${token.id}`, '{"metadata":{"a":{"__proto__x":{"p":1}}}}');

      expect(answer.body.token.metadata).toEqual({ a: { __proto__x: { p: 1 } } });
      expect(({} as { p?: unknown }).p).toBeUndefined();
    });
  });

  describe('in the body of a rotation', () => {
    it.each<[string, unknown, string]>([
      ['a negative grace', { graceSeconds: -1 }, 'invalid_grace'],
      ['half a second', { graceSeconds: 0.5 }, 'invalid_grace'],
      ['a grace beyond thirty days', { graceSeconds: 2_592_001 }, 'invalid_grace'],
      ['an endless grace', { graceSeconds: 1e308 }, 'invalid_grace'],
      ['a grace that is a string', { graceSeconds: '60' }, 'invalid_grace'],
      ['a grace of null', { graceSeconds: null }, 'invalid_grace'],
      ['a grace of true', { graceSeconds: true }, 'invalid_grace'],
      ['more scopes', { scopes: ['admin'] }, 'invalid_request'],
      ['another owner', { userId: ID }, 'invalid_request'],
      ['an expiry without a time zone', { expiresAt: '2999-01-01T00:00:00' }, 'invalid_expiry'],
      ['an expiry in the past', { expiresAt: '2020-01-01T00:00:00Z' }, 'expiry_in_past'],
      ['an array', [60], 'invalid_request'],
    ])('refuses %s', async (_what, body, code) => {
      const { rawToken, token } = (await page.create(VALID)).body;

      const answer = await page.rotate(token.id, body);

      expect([answer.status, answer.body.error]).toEqual([400, code]);
      expect((await test.tokens.verify(rawToken)).id).toBe(token.id);
    });

    it('accepts an empty object and a missing body', async () => {
      const [one, other] = [(await page.create(VALID)).body, (await page.create(VALID)).body];

      const answers = await Promise.all([page.rotate(one.token.id, {}), page.rotate(other.token.id)]);

      expect(answers.map(({ status }) => status)).toEqual([201, 201]);
    });
  });

  describe('in the query of a list', () => {
    it.each([
      '0',
      '-1',
      '1.5',
      '201',
      '1e2',
      '0x10',
      'abc',
      '',
      ' 5',
      '+5',
      '9'.repeat(400),
      'NaN',
      'Infinity',
      '5;6',
      '٣',
    ])('refuses limit=%s', async (limit) => {
      const answer = await page.list(`?limit=${encodeURIComponent(limit)}`);

      expect([answer.status, answer.body.error]).toEqual([400, 'invalid_limit']);
    });

    it.each(['limit=1&limit=2', 'limit=1&limit=1'])('refuses %s', async (query) => {
      const answer = await page.list(`?${query}`);

      expect([answer.status, answer.body.error]).toEqual([400, 'invalid_limit']);
    });

    it('accepts every limit up to the maximum', async () => {
      const answers = await Promise.all(['1', '200', '007'].map((limit) => page.list(`?limit=${limit}`)));

      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    });

    const cursor = encodeCursor(new Date(), ID);
    it.each([
      ['empty', ''],
      ['not base64', '***'],
      ['truncated', cursor.slice(0, -1)],
      ['extended', `${cursor}A`],
      ['padded', `${cursor}==`],
      ['repeated', `${cursor}&cursor=${cursor}`],
      ['too long', cursor.repeat(100)],
      ['a plain id', ID],
      ['without a time', Buffer.from(`.${ID}`).toString('base64url')],
      ['with a negative time', Buffer.from(`-1.${ID}`).toString('base64url')],
      ['with a time beyond the range of Date', Buffer.from(`zzzzzzzzzzzz.${ID}`).toString('base64url')],
      ['with an invalid id', Buffer.from('lq1.x').toString('base64url')],
      ['with SQL for an id', Buffer.from("lq1.' OR 1=1 --").toString('base64url')],
      ['with a NUL', Buffer.from(`lq1\0.${ID}`).toString('base64url')],
    ])('refuses a cursor that is %s', async (_what, value) => {
      const answer = await page.list(`?cursor=${value}`);

      expect([answer.status, answer.body.error]).toEqual([400, 'invalid_cursor']);
    });

    it('lists only the tokens of the caller, whatever the cursor', async () => {
      const { token } = (await page.create(VALID)).body;
      const other = TokenClient.inSession(test);

      const answer = await other.list(`?cursor=${encodeCursor(new Date(0), ID)}`);

      expect(answer.status).toBe(200);
      expect(answer.body.tokens.map(({ id }) => id)).not.toContain(token.id);
    });

    it('ignores unknown parameters', async () => {
      expect((await page.list('?page=2&__proto__[x]=1&constructor=1')).status).toBe(200);
    });
  });

  describe('in the path', () => {
    it.each(['%', '%zz', '%c3%28', '%ff'])('answers an id with broken escapes (%s) with 400 or 404', async (id) => {
      const answer = await sendRaw(test.url, [
        `DELETE /api/tokens/${id} HTTP/1.1`,
        'Host: localhost',
        `X-Session-User: ${test.user.id}`,
      ]);

      expect([400, 404]).toContain(answer.status);
    });

    it('answers an id of eight kilobytes with 404 or 414', async () => {
      const answer = await page.revoke('a'.repeat(8000));

      expect([404, 414]).toContain(answer.status);
    });

    it('does not mistake a part of the path for the id', async () => {
      const { rawToken, token } = (await page.create(VALID)).body;

      const answers = await Promise.all([
        page.revoke(`${token.id}/`).then(({ status }) => status),
        page.revoke(`${token.id}/rotate`).then(({ status }) => status),
        page.revoke(`${token.id}%20`).then(({ status }) => status),
        page.revoke(`${token.id}%00`).then(({ status }) => status),
      ]);

      // Express ignores a trailing slash; the path is then that of the token.
      expect(answers.slice(1)).toEqual([404, 404, 404]);
      expect([204, 404]).toContain(answers[0]);
      if (answers[0] === 404) expect((await test.tokens.verify(rawToken)).id).toBe(token.id);
    });
  });
});
