import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { type CreateApiToken, tokenPattern } from 'nestjs-sigra';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const VALID: CreateApiToken = { name: 'CI', scopes: ['read:notes'] };

describe('ApiTokenService.create', () => {
  let test: TestApp;
  const create = (request: object) => test.tokens.create(test.user, { ...VALID, ...request });

  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test.close());

  it('returns the raw token together with its public details', async () => {
    const expiresAt = new Date(test.clock.now().getTime() + 60_000);

    const { rawToken, token } = await create({ name: 'Deploy', scopes: ['read:notes', 'admin'], expiresAt });

    expect(rawToken).toMatch(tokenPattern());
    expect(token).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
      originId: null,
      description: null,
      metadata: {},
      ownerType: 'user',
      ownerId: test.user.id,
      tokenEpoch: 0,
      madeByTokenId: null,
      madeByFamilyId: null,
      creatorType: null,
      creatorId: null,
      revokeReason: null,
      name: 'Deploy',
      kind: null,
      prefix: 'sigra_sk_',
      hint: rawToken.slice('sigra_sk_'.length, 'sigra_sk_'.length + 4),
      scopes: ['read:notes', 'admin'],
      allowedIps: null,
      resources: null,
      expiresAt,
      revokedAt: null,
      lastUsedAt: null,
      lastUsedIp: null,
      replacedBy: null,
      createdAt: test.clock.now(),
    });
    expect(JSON.stringify(token)).not.toContain(rawToken);
  });

  it('stores the SHA-256 of the raw token, and the raw token nowhere', async () => {
    const { rawToken, token } = await create({});

    const [row] = await test.dataSource.query('SELECT * FROM sigra_api_tokens WHERE id = $1', [token.id]);
    const found = await test.dataSource.query(
      `SELECT 1 FROM sigra_api_tokens t WHERE t::text LIKE $1
       UNION ALL SELECT 1 FROM sigra_audit_events e WHERE e::text LIKE $1`,
      [`%${rawToken.slice(-40)}%`],
    );

    expect(row.token_hash).toEqual(createHash('sha256').update(rawToken).digest());
    expect(found).toEqual([]);
  });

  it('accepts the owner as an object or as an id', async () => {
    const { token } = await test.tokens.create(test.user.id, VALID);

    expect(token.ownerId).toBe(test.user.id);
  });

  it.each([undefined, null, {}, { id: '' }, { id: null }, '', 'a\0b', { id: Number.NaN }, { id: 1.5 }])(
    'throws a TypeError for the owner %j, which has no id',
    async (owner) => {
      await expect(test.tokens.create(owner as object, VALID)).rejects.toThrow(TypeError);
    },
  );

  it.each([
    ['is missing', undefined],
    ['is null', null],
    ['is not a string', 42],
    ['is empty', ''],
    ['is blank', ' \t\n\u00a0'],
  ])('rejects with name_required when the name %s', async (_case, name) => {
    expect(await refusalOf(create({ name }))).toBe('name_required');
  });

  it.each([
    ['a NUL byte', 'a\0b'],
    ['a line break', 'a\nb'],
    ['DEL', 'a\u007fb'],
    ['a lone high surrogate', 'a\ud800b'],
    ['a lone low surrogate', '\udc00'],
  ])('rejects with invalid_name when the name has %s', async (_case, name) => {
    expect(await refusalOf(create({ name }))).toBe('invalid_name');
  });

  it.each([
    ['letters', 'a'],
    ['code points of two UTF-16 units', '\u{1f511}'],
  ])('accepts a name of 255 %s and rejects one of 256 with name_too_long', async (_case, character) => {
    const { token } = await create({ name: character.repeat(255) });

    expect(token.name).toBe(character.repeat(255));
    expect(await refusalOf(create({ name: character.repeat(256) }))).toBe('name_too_long');
  });

  it('trims the name', async () => {
    const { token } = await create({ name: '  CI  ' });

    expect(token.name).toBe('CI');
  });

  it.each([
    ['are missing', undefined],
    ['are null', null],
    ['are not an array', 'read:notes'],
    ['are empty', []],
  ])('rejects with scopes_required when the scopes %s', async (_case, scopes) => {
    expect(await refusalOf(create({ scopes }))).toBe('scopes_required');
  });

  it.each([
    '',
    'READ:notes',
    'read:',
    ':read',
    'read::notes',
    'read notes',
    'read:*:notes',
    '**',
    'a*',
    'a\0',
    42,
    null,
  ])('rejects with invalid_scope_format for the scope %j', async (scope) => {
    expect(await refusalOf(create({ scopes: ['read:notes', scope] }))).toBe('invalid_scope_format');
  });

  it.each(['delete:notes', 'read', 'read:notes:all', 'constructor', 'unknown:*', 'hasownproperty'])(
    'rejects with unregistered_scopes for the scope %j',
    async (scope) => {
      expect(await refusalOf(create({ scopes: ['read:notes', scope] }))).toBe('unregistered_scopes');
    },
  );

  it('grants built-in scopes, wildcards that match registered scopes, and each scope once', async () => {
    const scopes = ['*', 'read:*', 'profile:read', 'api_tokens:*', 'read:notes', '*', 'read:notes'];

    const { token } = await create({ scopes });

    expect(token.scopes).toEqual(['*', 'read:*', 'profile:read', 'api_tokens:*', 'read:notes']);
  });

  it.each([
    ['a string', '2999-01-01T00:00:00Z'],
    ['a number', 32_472_144_000_000],
    ['an invalid date', new Date(Number.NaN)],
    ['a date beyond the year 9999', new Date(253_402_300_800_000)],
  ])('rejects with invalid_expiry for %s', async (_case, expiresAt) => {
    expect(await refusalOf(create({ expiresAt }))).toBe('invalid_expiry');
  });

  it('rejects with expiry_in_past for now and earlier, and accepts one millisecond later', async () => {
    const now = test.clock.now().getTime();

    const { token } = await create({ expiresAt: new Date(now + 1) });

    expect(token.expiresAt).toEqual(new Date(now + 1));
    expect(await refusalOf(create({ expiresAt: new Date(now) }))).toBe('expiry_in_past');
    expect(await refusalOf(create({ expiresAt: new Date(-8.64e15) }))).toBe('expiry_in_past');
  });

  it('accepts the last millisecond of the year 9999', async () => {
    const expiresAt = new Date(253_402_300_799_999);

    const { token } = await create({ expiresAt });

    expect(token.expiresAt).toEqual(expiresAt);
  });

  it('stores nothing of a rejected request', async () => {
    const count = 'SELECT count(*)::int AS n FROM sigra_api_tokens';
    const [before] = await test.dataSource.query(count);

    await refusalOf(create({ name: '' }));
    await refusalOf(create({ scopes: [] }));
    await refusalOf(create({ expiresAt: new Date(0) }));

    expect(await test.dataSource.query(count)).toEqual([before]);
  });
});
