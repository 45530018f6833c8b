import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { auditActions } from '../support/audit-rows.js';
import { claimsOf, familyIdOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { everyRow, familyRow } from '../support/family-rows.js';
import { refusalOf } from '../support/refusal.js';
import { SIGRA_OPTIONS } from '../support/test-app.js';

describe('the scopes of a refresh', () => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp({ reuseLeeway: 10 });
  });
  afterAll(() => test.close());

  it('narrow a wildcard to registered scopes only', async () => {
    const { refreshToken } = await test.jwt.generateTokens(test.user, ['*']);

    const unregistered = await refusalOf(test.jwt.refresh(refreshToken, { scopes: ['read:notes', 'not:registered'] }));
    const wildcard = await refusalOf(test.jwt.refresh(refreshToken, { scopes: ['not:*'] }));
    const pair = await test.jwt.refresh(refreshToken, { scopes: ['read:notes', 'api_tokens:*'] });

    expect([unregistered, wildcard]).toEqual(['unregistered_scopes', 'unregistered_scopes']);
    expect(pair.scope).toBe('read:notes api_tokens:*');
  });

  it('are refused when there are too many', async () => {
    const { refreshToken } = await test.jwt.generateTokens(test.user, ['*']);
    const scopes = Array.from({ length: 3000 }, (_, index) => `s${index}`);

    expect(await refusalOf(test.jwt.refresh(refreshToken, { scopes }))).toBe('invalid_scope_format');
    expect(await refusalOf(test.jwt.generateTokens(test.user, scopes))).toBe('invalid_scope_format');
  });

  it('narrow one access token, and leave the family unchanged', async () => {
    const first = await test.jwt.generateTokens(test.user, ['read:notes', 'write:notes']);

    const narrow = await test.jwt.refresh(first.refreshToken, { scopes: ['read:notes'] });
    const full = await test.jwt.refresh(narrow.refreshToken);

    const write = (accessToken: string) =>
      fetch(`${test.url}/notes`, { method: 'POST', headers: { authorization: `Bearer ${accessToken}` } });
    expect(narrow.scope).toBe('read:notes');
    expect(claimsOf(narrow.accessToken).scope).toBe('read:notes');
    expect((await write(narrow.accessToken)).status).toBe(403);
    expect(full.scope).toBe('read:notes write:notes');
    expect((await write(full.accessToken)).status).toBe(201);
    expect((await familyRow(test.dataSource, familyIdOf(first))).scopes).toEqual(['read:notes', 'write:notes']);
  });

  it('are granted once each, even if they are requested repeatedly', async () => {
    const first = await test.jwt.generateTokens(test.user, ['read:notes', 'write:notes']);

    const narrow = await test.jwt.refresh(first.refreshToken, { scopes: ['read:notes', 'read:notes'] });

    expect(narrow.scope).toBe('read:notes');
  });

  it('narrow a wildcard to scopes that it covers', async () => {
    const everything = await test.jwt.generateTokens(test.user, ['*']);
    const notes = await test.jwt.generateTokens(test.user, ['api_tokens:*']);

    const one = await test.jwt.refresh(everything.refreshToken, { scopes: ['api_tokens:*', 'admin'] });
    const other = await test.jwt.refresh(notes.refreshToken, { scopes: ['api_tokens:read'] });

    expect([one.scope, other.scope]).toEqual(['api_tokens:* admin', 'api_tokens:read']);
  });

  it.each([
    { held: ['read:notes'], asked: ['write:notes'], missing: ['write:notes'] },
    { held: ['read:notes'], asked: ['read:notes', 'admin'], missing: ['admin'] },
    { held: ['read:notes'], asked: ['*'], missing: ['*'] },
    { held: ['api_tokens:read', 'api_tokens:write'], asked: ['api_tokens:*'], missing: ['api_tokens:*'] },
    { held: ['write:notes'], asked: ['read:notes'], missing: ['read:notes'] },
    { held: ['read:notes'], asked: ['never:registered'], missing: ['never:registered'] },
  ])('never widen $held to $asked, and the refusal consumes nothing', async ({ held, asked, missing }) => {
    const pair = await test.jwt.generateTokens(test.user, held);
    const before = await everyRow(test.dataSource);

    const wider = test.jwt.refresh(pair.refreshToken, { scopes: asked });

    await expect(wider).rejects.toMatchObject({
      code: 'insufficient_scope',
      refusal: { required: asked, missing },
    });
    expect(await everyRow(test.dataSource)).toEqual(before);
    expect(await test.jwt.refresh(pair.refreshToken)).toMatchObject({ scope: held.join(' ') });
  });

  it.each([
    { scopes: [], code: 'scopes_required' },
    { scopes: 'read:notes', code: 'scopes_required' },
    { scopes: null, code: 'scopes_required' },
    { scopes: ['Read Notes'], code: 'invalid_scope_format' },
    { scopes: [''], code: 'invalid_scope_format' },
    { scopes: [7], code: 'invalid_scope_format' },
  ])('are refused as $code when they are $scopes, and the refusal consumes nothing', async ({ scopes, code }) => {
    const pair = await test.jwt.generateTokens(test.user, ['read:notes']);
    const before = await everyRow(test.dataSource);

    const refusal = await refusalOf(test.jwt.refresh(pair.refreshToken, { scopes: scopes as string[] }));

    expect(refusal).toBe(code);
    expect(await everyRow(test.dataSource)).toEqual(before);
    await test.jwt.refresh(pair.refreshToken);
  });

  it('narrow the access token of a replay, within the scopes of the family', async () => {
    const first = await test.jwt.generateTokens(test.user, ['read:notes', 'write:notes']);
    const second = await test.jwt.refresh(first.refreshToken, { scopes: ['read:notes'] });
    const before = await everyRow(test.dataSource);

    const wider = await refusalOf(test.jwt.refresh(first.refreshToken, { scopes: ['admin'] }));
    const after = await everyRow(test.dataSource);
    const other = await test.jwt.refresh(first.refreshToken, { scopes: ['write:notes'] });

    expect(wider).toBe('insufficient_scope');
    expect(after).toEqual(before);
    expect(other).toMatchObject({ scope: 'write:notes', refreshToken: second.refreshToken });
  });

  it('do not hide reuse, for any requested scopes', async () => {
    const first = await test.jwt.generateTokens(test.user, ['read:notes']);
    await test.jwt.refresh(first.refreshToken);
    test.clock.advance({ seconds: 60 });

    const refusal = await refusalOf(test.jwt.refresh(first.refreshToken, { scopes: ['admin'] }));

    expect(refusal).toBe('reuse_detected');
    expect(await auditActions(test.dataSource, familyIdOf(first))).toContain('api.jwt_refresh_reuse');
  });
});

it('a refresh can narrow a scope to those that it implies', async () => {
  const scopes = [{ name: 'editor', implies: ['write:notes'] }, 'write:notes', 'read:notes'];
  const test = await startJwtApp({}, { sigra: { apiTokens: { ...SIGRA_OPTIONS.apiTokens, scopes } } });
  const first = await test.jwt.generateTokens(test.user, ['editor']);

  const narrow = await test.jwt.refresh(first.refreshToken, { scopes: ['write:notes'] });
  const wider = await refusalOf(test.jwt.refresh(narrow.refreshToken, { scopes: ['read:notes'] }));
  await test.close();

  expect(narrow.scope).toBe('write:notes');
  expect(wider).toBe('insufficient_scope');
});

it('a refresh can narrow write to read where write implies read', async () => {
  const test = await startJwtApp({}, { sigra: { apiTokens: { ...SIGRA_OPTIONS.apiTokens, writeImpliesRead: true } } });
  const first = await test.jwt.generateTokens(test.user, ['write:notes']);

  const narrow = await test.jwt.refresh(first.refreshToken, { scopes: ['read:notes'] });
  await test.close();

  expect(narrow.scope).toBe('read:notes');
});
