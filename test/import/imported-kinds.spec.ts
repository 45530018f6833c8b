import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ApiToken } from 'nestjs-sigra';
import { betterAuthKey, FORMATS, type ForeignSample, sanctumToken } from '../support/foreign-tokens.js';
import { refusalOf } from '../support/refusal.js';
import { ADAPTERS, startTestApp, type TestApp, type User } from '../support/test-app.js';

const HOUR = 3600;
const SCOPES = ['read:notes', 'api_tokens:write'];

describe.each(ADAPTERS)('Imported tokens of a kind, on %s', (adapter) => {
  let test: TestApp;
  let owner: User;

  beforeAll(async () => {
    test = await startTestApp({
      adapter,
      sigra: {
        controllers: { tokens: 'api/tokens' },
        apiTokens: {
          scopes: ['read:notes', 'write:notes'],
          kinds: {
            live: { prefix: 'sk_live_' },
            ci: { prefix: 'ci_', scopes: SCOPES, maxTtl: HOUR },
          },
          foreignFormats: {
            sanctum: { ...FORMATS.sanctum, kind: 'ci' },
            'better-auth': { ...FORMATS['better-auth'], kind: 'live' },
          },
        },
      },
    });
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    owner = await test.addUser('owner@example.com');
  });

  const imported = async (format: string, { raw, hash }: ForeignSample) => {
    await test.tokens.importHashed([{ format, hash, owner, name: 'Old', scopes: SCOPES }]);
    return { raw, token: await test.tokens.verify(raw) };
  };
  const post = async (raw: string, path: string, body: object) => {
    const answer = await fetch(`${test.url}/api/tokens${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${raw}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const { error, rawToken, token } = (await answer.json()) as { error: string; rawToken: string; token: ApiToken };
    return { status: answer.status, error, rawToken, token };
  };

  it('have the kind of their format, and keep their lifetime', async () => {
    const [ci, live] = [await imported('sanctum', sanctumToken(1)), await imported('better-auth', betterAuthKey())];

    expect(ci.token).toMatchObject({ kind: 'ci', scopes: SCOPES, expiresAt: null });
    expect(live.token).toMatchObject({ kind: 'live', scopes: SCOPES });
    const outside = (await test.tokens.listOutsideRules({ limit: 200 })).tokens.map(({ id }) => id);
    expect(outside).toContain(ci.token.id);
    expect(outside).not.toContain(live.token.id);
  });

  it('have at most the scopes of that kind', async () => {
    const row = { owner, name: 'Old', scopes: ['write:notes'] };

    const refused = test.tokens.importHashed([
      { ...row, format: 'sanctum', hash: sanctumToken(1).hash },
      { ...row, format: 'sanctum', hash: sanctumToken(2).hash, scopes: ['*'] },
      { ...row, format: 'better-auth', hash: betterAuthKey().hash },
    ]);

    await expect(refused).rejects.toMatchObject({
      code: 'invalid_import',
      problems: [
        { index: 0, code: 'insufficient_scope' },
        { index: 1, code: 'insufficient_scope' },
      ],
    });
  });

  it('are rotated into a token of that kind, which expires by its rules', async () => {
    const { raw, token } = await imported('sanctum', sanctumToken(1));

    const rotated = await post(raw, `/${token.id}/rotate`, {});

    expect(rotated.status).toBe(201);
    expect(rotated.rawToken).toMatch(/^ci_/);
    const expiresAt = new Date(test.clock.now().getTime() + HOUR * 1000);
    expect(await test.tokens.verify(rotated.rawToken)).toMatchObject({
      kind: 'ci',
      scopes: SCOPES,
      expiresAt,
    });
    expect(await refusalOf(test.tokens.verify(raw))).toBe('token_revoked');
  });

  it('make tokens of that kind only, also after a rotation, which end with them', async () => {
    const { raw, token } = await imported('sanctum', sanctumToken(1));
    const request = { name: 'Made', scopes: ['read:notes'], expiresAt: new Date(test.clock.now().getTime() + 1000) };

    const refused = await post(raw, '', { ...request, kind: 'live' });
    const made = await post(raw, '', { ...request, kind: 'ci' });
    const { rawToken } = await test.tokens.rotate(token.id);
    const again = await post(rawToken, '', { ...request, kind: 'live' });

    expect([refused.status, refused.error]).toEqual([403, 'kind_not_allowed']);
    expect([again.status, again.error]).toEqual([403, 'kind_not_allowed']);
    expect(made.token).toMatchObject({ kind: 'ci' });
    await test.tokens.revoke((await test.tokens.verify(rawToken)).id);
    expect(await refusalOf(test.tokens.verify(made.rawToken))).toBe('token_revoked');
  });

  it('cannot get a token of another kind by rotating it', async () => {
    const [ci, live] = [
      await imported('sanctum', sanctumToken(1)),
      await test.tokens.create(owner, { name: 'Live', kind: 'live', scopes: ['read:notes'] }),
    ];

    const refused = await post(ci.raw, `/${live.token.id}/rotate`, {});

    expect([refused.status, refused.error]).toEqual([403, 'kind_not_allowed']);
    expect(await test.tokens.verify(live.rawToken)).toMatchObject({ kind: 'live' });
  });
});
