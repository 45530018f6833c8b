import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type LeakedCredential, type LeakReport, ownerRef } from 'nestjs-sigra';
import { FORMATS, knoxToken, sanctumToken } from '../support/foreign-tokens.js';
import { claimsOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { hashOf, LeakScanner, scannerKey } from '../support/leak-scanner.js';
import { ADAPTERS } from '../support/test-app.js';
import { unknownToken } from '../support/unknown-token.js';

const URL = 'https://github.com/acme/app/blob/abc/ci.yml';
const leak = (token: string, more: object = {}) => ({
  token,
  type: 'acme_token',
  url: URL,
  source: 'content',
  ...more,
});

describe.each(ADAPTERS)('A report of leaked credentials, on %s', (adapter) => {
  let scanner: LeakScanner;
  let test: JwtApp;
  const leaked: { credential: LeakedCredential; report: LeakReport }[] = [];

  beforeAll(async () => {
    scanner = await LeakScanner.start();
    test = await startJwtApp(
      { check: 'family' },
      {
        adapter,
        sigra: {
          controllers: { tokens: 'api/tokens', leaks: 'leaks' },
          apiTokens: { scopes: ['read:notes', 'write:notes', 'admin'], foreignFormats: FORMATS },
          owners: { organization: { provider: { findByIds: (ids) => Promise.resolve(ids.map((id) => ({ id }))) } } },
          leaks: {
            keysUrl: scanner.keysUrl,
            onLeaked: (credential, report) => {
              leaked.push({ credential, report });
              throw new Error('the mail server is down');
            },
          },
        },
      },
    );
  });
  afterAll(async () => {
    await test.close();
    await scanner.close();
  });
  beforeEach(() => void leaked.splice(0));

  const report = async (entries: string | readonly object[]) => {
    const answer = await scanner.report(`${test.url}/leaks`, entries);
    return { status: answer.status, body: await answer.json() };
  };
  const verdict = (token: string, label: string) => ({ token_hash: hashOf(token), token_type: 'acme_token', label });
  const create = (...scopes: string[]) => test.tokens.create(test.user, { name: 'CI', scopes });
  const statusOf = async (token: string) => (await test.present(token)).status;
  const post = async (path: string, token: string, body: object) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const answer = await fetch(test.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
    return (await answer.json()) as { rawToken: string; token: { id: string } };
  };
  const auditOf = (id: string) =>
    test.dataSource.query<{ action: string; metadata: object }[]>(
      `SELECT action, metadata FROM sigra_audit_events WHERE target_id = $1 AND action LIKE '%revoke' ORDER BY id`,
      [id],
    );

  it('revokes a token and what it made, with one audit row, and tells the application once', async () => {
    const { rawToken, token } = await create('read:notes', 'api_tokens:write');
    const made = await post('/api/tokens', rawToken, { name: 'made', scopes: ['read:notes'] });
    const unknown = unknownToken();
    const entries = [leak(rawToken), leak(unknown), leak(rawToken, { source: 'commit' }), leak('no token at all')];

    const first = await report(entries);
    const again = await report(entries);

    const verdicts = [
      verdict(rawToken, 'true_positive'),
      verdict(unknown, 'false_positive'),
      verdict('no token at all', 'false_positive'),
    ];
    expect([first, again]).toEqual([
      { status: 200, body: verdicts },
      { status: 200, body: verdicts },
    ]);
    expect([await statusOf(rawToken), await statusOf(made.rawToken)]).toEqual([401, 401]);
    const places = [
      { url: URL, source: 'content' },
      { url: URL, source: 'commit' },
    ];
    const metadata = { type: 'acme_token', places, userId: test.user.id, name: 'CI', reason: 'leaked' };
    expect(await auditOf(token.id)).toEqual([{ action: 'api.token_revoke', metadata }]);
    expect(await auditOf(made.token.id)).toMatchObject([{ metadata: { reason: 'made_by_revoked' } }]);
    expect(leaked).toEqual([
      {
        credential: { kind: 'api_token', id: token.id, ownerType: 'user', ownerId: test.user.id, name: 'CI' },
        report: { type: 'acme_token', places },
      },
    ]);
    expect((await test.tokens.lookup(rawToken))?.token.revokeReason).toBe('leaked');
  });

  it('revokes imported tokens, and tells the application the type of their owners, whose ids can be equal', async () => {
    const [sanctum, knox] = [sanctumToken(1), knoxToken()];
    const organization = ownerRef('organization', test.user.id);
    const row = { name: 'Old', scopes: ['read:notes'] };
    await test.tokens.importHashed([
      { ...row, format: 'sanctum', hash: sanctum.hash, owner: test.user },
      { ...row, format: 'knox', hash: knox.hash, owner: organization },
    ]);
    const [kept, native] = [await create('read:notes'), await test.tokens.create(organization, row)];
    const reported = [sanctum.raw, knox.raw, native.rawToken];

    const { body } = await report(reported.map((token) => leak(token)));

    expect(body).toEqual(reported.map((token) => verdict(token, 'true_positive')));
    const told = leaked.map(({ credential: { id, ownerType, ownerId } }) => [id, ownerType, ownerId] as const);
    const found = await Promise.all(reported.map((token) => test.tokens.lookup(token)));
    const types = ['user', 'organization', 'organization'];
    expect(told.sort()).toEqual(found.map((each, index) => [each!.token.id, types[index], test.user.id]).sort());
    expect(found.map((each) => [each?.state, each?.token.revokeReason])).toEqual(
      reported.map(() => ['revoked', 'leaked']),
    );
    expect(await statusOf(sanctum.raw)).toBe(401);
    expect(await statusOf(kept.rawToken)).toBe(200);
  });

  it('revokes a token once when the report arrives several times at once', async () => {
    const { rawToken, token } = await create('read:notes');

    const answers = await Promise.all(Array.from({ length: 5 }, () => report([leak(rawToken)])));

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(await auditOf(token.id)).toHaveLength(1);
    expect(leaked).toHaveLength(1);
  });

  it('ends the successor that a thief has rotated the token to, for an hour', async () => {
    const [stolen, replaced] = [await create('read:notes', 'api_tokens:write'), await create('read:notes')];
    const ofThief = await post(`/api/tokens/${stolen.token.id}/rotate`, stolen.rawToken, {});
    const ofOwner = await test.tokens.rotate(replaced.token.id);

    await report([leak(stolen.rawToken)]);
    test.clock.advance({ hours: 1 });
    const late = await report([leak(replaced.rawToken)]);

    expect(late.body).toEqual([verdict(replaced.rawToken, 'true_positive')]);
    expect([await statusOf(ofThief.rawToken), await statusOf(ofOwner.rawToken)]).toEqual([401, 200]);
    expect(leaked.map(({ credential }) => credential.id)).toEqual([stolen.token.id]);
  });

  it('ends the successor also when a thief has revoked the token afterwards', async () => {
    const stolen = await create('read:notes', 'api_tokens:write');
    const ofThief = await post(`/api/tokens/${stolen.token.id}/rotate`, stolen.rawToken, { graceSeconds: 60 });
    await test.tokens.revoke(stolen.token.id);

    await report([leak(stolen.rawToken)]);

    expect(await statusOf(ofThief.rawToken)).toBe(401);
    expect(leaked).toHaveLength(1);
  });

  it('ends what a family made also when a thief has signed it out', async () => {
    const pair = await test.jwt.generateTokens(test.user, ['read:notes', 'api_tokens:write']);
    const made = await post('/api/tokens', pair.accessToken, { name: 'made', scopes: ['read:notes'] });
    await test.jwt.revokeRefresh(pair.refreshToken);
    expect(await statusOf(made.rawToken)).toBe(200);

    for (let count = 0; count < 2; count++) await report([leak(pair.refreshToken)]);

    expect(await statusOf(made.rawToken)).toBe(401);
    expect(leaked).toHaveLength(1);
  });

  it('ends a token in its grace period together with its successor', async () => {
    const { rawToken, token } = await create('read:notes');
    const successor = await test.tokens.rotate(token.id, { graceSeconds: 7200 });
    test.clock.advance({ seconds: 7100 });

    await report([leak(rawToken)]);

    expect([await statusOf(rawToken), await statusOf(successor.rawToken)]).toEqual([401, 401]);
  });

  it('leaves a token alone that its owner has revoked', async () => {
    const { rawToken, token } = await create('read:notes');
    await test.tokens.revoke(token.id);

    expect((await report([leak(rawToken)])).body).toEqual([verdict(rawToken, 'true_positive')]);
    expect(await auditOf(token.id)).toMatchObject([{ metadata: { name: 'CI' } }]);
    expect(leaked).toEqual([]);
  });

  it.each(['refreshToken', 'accessToken'] as const)('revokes the family of a leaked %s', async (kind) => {
    const pair = await test.jwt.generateTokens(test.user, ['read:notes', 'api_tokens:write']);
    const made = await post('/api/tokens', pair.accessToken, { name: 'made', scopes: ['read:notes'] });
    const id = claimsOf(pair.accessToken).sid as string;

    const answers = [await report([leak(pair[kind])]), await report([leak(pair[kind])])];

    for (const { body } of answers) expect(body).toEqual([verdict(pair[kind], 'true_positive')]);
    expect([await statusOf(pair.accessToken), await statusOf(made.rawToken)]).toEqual([401, 401]);
    await expect(test.jwt.refresh(pair.refreshToken)).rejects.toMatchObject({ code: 'token_revoked' });
    expect(await auditOf(id)).toMatchObject([{ action: 'api.jwt_revoke', metadata: { reason: 'leaked' } }]);
    expect(leaked.map(({ credential }) => credential)).toEqual([
      { kind: 'refresh_family', id, ownerType: 'user', ownerId: test.user.id, name: null },
    ]);
  });

  it('ends the family of an access token that has just expired, and can be valid on another node', async () => {
    const { accessToken, refreshToken } = await test.jwt.generateTokens(test.user, ['read:notes']);
    test.clock.advance({ seconds: 900 + 3599 });

    expect((await report([leak(accessToken)])).body).toEqual([verdict(accessToken, 'true_positive')]);
    await expect(test.jwt.refresh(refreshToken)).rejects.toMatchObject({ code: 'token_revoked' });
  });

  it('does not end the family of an access token that has expired an hour ago', async () => {
    const { accessToken, refreshToken } = await test.jwt.generateTokens(test.user, ['read:notes']);
    test.clock.advance({ seconds: 900 + 3600 });

    expect((await report([leak(accessToken)])).body).toEqual([verdict(accessToken, 'true_positive')]);
    expect((await test.jwt.refresh(refreshToken)).tokenType).toBe('Bearer');
  });

  it.each<[string, () => string, (rawToken: string, other: string) => string]>([
    ['its own token', () => 'https://github.com/[token]', (own) => `https://github.com/${own}\u0000\ud800`],
    ['other tokens of the report', () => '[token]/[token]', (own, other) => `${other}/${own}`],
    ['tokens in percent encoding', () => 'q=[token]&r=%', (_own, other) => `q=%73${other.slice(1)}&r=%`],
    ['a part of a token at its end', () => `${'x'.repeat(2040)}[token]`, (own) => `${'x'.repeat(2040)}${own}`],
    ['other percent encoding, which it keeps', () => 'a%20b', () => 'a%20b'],
  ])('keeps a URL without %s', async (_kind, kept, urlOf) => {
    const { rawToken, token } = await create('read:notes');
    const other = unknownToken();

    await report([leak(rawToken, { url: urlOf(rawToken, other), source: 7 }), leak(other), leak('')]);

    expect(await auditOf(token.id)).toMatchObject([{ metadata: { places: [{ url: kept(), source: null }] } }]);
  });

  it('is verified by the bytes of its body, and can be longer than other bodies', async () => {
    const { rawToken } = await create('read:notes');
    const padding = ' '.repeat(200_000);

    const { status } = await report(`[ ${padding}{"url":"","token" : ${JSON.stringify(rawToken)},"n":1.0}\n]\n`);

    expect(status).toBe(200);
    expect(await statusOf(rawToken)).toBe(401);
  });

  it('is refused with another signature, and then nothing ends', async () => {
    const { rawToken } = await create('read:notes');
    const body = JSON.stringify([leak(rawToken)]);
    const good = scanner.headersOf(body);
    const { 'github-public-key-signature': signature, ...unsigned } = good;

    const refused = [
      scanner.headersOf(body, scannerKey('key-1')),
      scanner.headersOf(body, scannerKey('key-2')),
      scanner.headersOf(`${body} `),
      unsigned,
      { 'content-type': 'application/json', 'github-public-key-signature': signature! },
      ...['', '!', 'MEUC', Buffer.alloc(64).toString('base64')].map((each) => ({
        ...good,
        'github-public-key-signature': each,
      })),
    ];
    for (const headers of refused) {
      const answer = await fetch(`${test.url}/leaks`, { method: 'POST', headers, body });
      expect({ status: answer.status, body: await answer.json() }).toEqual({
        status: 403,
        body: { statusCode: 403, error: 'invalid_signature', message: 'The report is not signed by a known key.' },
      });
    }
    expect(await statusOf(rawToken)).toBe(200);
  });

  it.each([
    ['an object', '{"token":"x"}'],
    ['an entry without a token', '[{"type":"x"}]'],
    ['null as an entry', '[null]'],
    ['too many entries', JSON.stringify(Array.from({ length: 10_001 }, () => ({ token: 'x' })))],
  ])('is refused with %s', async (_what, body) => {
    expect(await report(body)).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  });

  it('can be empty, and has at most 8 MB', async () => {
    expect(await report([])).toEqual({ status: 200, body: [] });
    expect((await report(`[${' '.repeat(8_000_000)}]`)).status).toBe(413);
  });

  it('asks for the keys once, and again for a new one after five minutes', async () => {
    const before = scanner.readings;
    scanner.keys = [scannerKey('key-9'), ...scanner.keys];
    test.clock.advance({ minutes: 5 });

    expect((await report([])).status).toBe(200);
    expect((await report([])).status).toBe(200);
    expect(scanner.readings).toBe(before + 1);
  });
});
