import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { BadRequestException } from '@nestjs/common';
import type { CreateApiToken, Principal, SigraModuleOptions, UpdateApiToken } from 'nestjs-sigra';
import { auditActions, auditRows } from '../support/audit-rows.js';
import { closeJwtApps, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { untilWaiting } from '../support/locks.js';
import { refusalOf } from '../support/refusal.js';
import { SIGRA_OPTIONS, startTestApp, type TestApp, type User } from '../support/test-app.js';

const DAY = 86_400;
const REQUEST = { name: 'CI', scopes: ['read:notes', 'admin'] };
const ABSENT = '00000000-0000-7000-8000-000000000000';

const nested = (levels: number): Record<string, unknown> => (levels > 1 ? { a: nested(levels - 1) } : {});

describe('ApiTokenService.update', () => {
  let test: TestApp;
  const inSeconds = (seconds: number) => new Date(test.clock.now().getTime() + seconds * 1000);
  const create = async (request: Partial<CreateApiToken> = {}) =>
    (await test.tokens.create(test.user, { ...REQUEST, ...request })).token;
  const holding = (...scopes: string[]): { principal: Principal } => ({
    principal: { user: test.user, userId: test.user.id, method: 'session', scopes },
  });
  const read = async (id: string) =>
    (await test.tokens.listActive(test.user, { limit: 200 })).tokens.find((token) => token.id === id);

  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test.close());
  beforeEach(() => test.tokens.revokeAll(test.user));

  it('changes every property, with one audit row that has the values before and after', async () => {
    const token = await create({ description: 'old', metadata: { a: 1 } });
    const changes = {
      name: ' Deploy ',
      description: 'Two\nlines',
      metadata: { team: 'web' },
      scopes: ['read:notes'],
      expiresAt: inSeconds(DAY),
    };

    const updated = await test.tokens.update(token.id, changes, holding('*'));

    const expiresAt = inSeconds(DAY).toISOString();
    expect(updated).toEqual({ ...token, ...changes, name: 'Deploy' });
    expect(await read(token.id)).toEqual(updated);
    expect(await auditActions(test.dataSource, token.id)).toEqual(['api.token_create', 'api.token_update']);
    expect((await auditRows(test.dataSource, token.id)).at(-1)).toMatchObject({
      actor_id: test.user.id,
      target_type: 'api_token',
      metadata: {
        method: 'session',
        userId: test.user.id,
        before: { name: 'CI', description: 'old', metadata: { a: 1 }, scopes: REQUEST.scopes, expiresAt: null },
        after: { ...changes, name: 'Deploy', expiresAt },
      },
    });
  });

  it.each<[string, UpdateApiToken]>([
    ['no properties', {}],
    ['properties of undefined', { name: undefined, description: undefined, metadata: undefined, scopes: undefined }],
    ['the properties that the token has', { name: 'CI ', description: null, metadata: {}, scopes: REQUEST.scopes }],
    ['the expiry that the token has', { expiresAt: null }],
  ])('writes nothing for %s', async (_what, changes) => {
    const token = await create();

    expect(await test.tokens.update(token.id, changes)).toEqual(token);
    expect(await auditActions(test.dataSource, token.id)).toEqual(['api.token_create']);
  });

  it('removes description and metadata with null, and keeps what is not named', async () => {
    const token = await create({ description: 'old', metadata: { a: 1 } });

    const updated = await test.tokens.update(token.id, { description: null, metadata: null });

    expect(updated).toEqual({ ...token, description: null, metadata: {} });
  });

  it.each<[string, unknown, string]>([
    ['a name of null', { name: null }, 'name_required'],
    ['a name of 256 characters', { name: 'x'.repeat(256) }, 'name_too_long'],
    ['a name with a NUL', { name: 'a\0' }, 'invalid_name'],
    ['a description of 1,001 characters', { description: 'x'.repeat(1001) }, 'description_too_long'],
    ['a description that is a number', { description: 5 }, 'invalid_description'],
    ['a description with a control character', { description: 'a\u0007' }, 'invalid_description'],
    ['a description with a bidirectional control', { description: 'a\u202eb' }, 'invalid_description'],
    ['a description with half a surrogate pair', { description: 'a\ud800' }, 'invalid_description'],
    ['metadata that are a string', { metadata: 'a' }, 'invalid_metadata'],
    ['metadata that are an array', { metadata: [] }, 'invalid_metadata'],
    ['metadata of 4,097 characters', { metadata: { a: 'x'.repeat(4089) } }, 'invalid_metadata'],
    ['metadata of 31 levels', { metadata: nested(31) }, 'invalid_metadata'],
    ['metadata with a NUL', { metadata: { a: '\0' } }, 'invalid_metadata'],
    ['metadata with a number of 301 digits', { metadata: { a: 1e300 } }, 'invalid_metadata'],
    ['metadata with a number of 300 places', { metadata: { a: [1e-300] } }, 'invalid_metadata'],
    ['metadata with a bigint', { metadata: { a: 1n } }, 'invalid_metadata'],
    ['metadata whose JSON is a string', { metadata: { toJSON: () => 'a' } }, 'invalid_metadata'],
    ['scopes of null', { scopes: null }, 'scopes_required'],
    ['no scopes', { scopes: [] }, 'scopes_required'],
    ['a malformed scope', { scopes: ['READ'] }, 'invalid_scope_format'],
    ['an unregistered scope', { scopes: ['read:secrets'] }, 'unregistered_scopes'],
    ['an expiry that is a string', { expiresAt: '2999-01-01T00:00:00Z' }, 'invalid_expiry'],
    ['an invalid date', { expiresAt: new Date(Number.NaN) }, 'invalid_expiry'],
    ['an expiry in the past', { expiresAt: new Date(0) }, 'expiry_in_past'],
  ])('refuses %s, and changes nothing', async (_what, changes, code) => {
    const token = await create();

    expect(await refusalOf(test.tokens.update(token.id, changes as UpdateApiToken))).toBe(code);
    expect(await read(token.id)).toEqual(token);
    expect(await auditActions(test.dataSource, token.id)).toEqual(['api.token_create']);
  });

  it('accepts the longest description, and the longest and the deepest metadata', async () => {
    const token = await create();
    const description = '\u{1f511}'.repeat(1000);
    const metadata = { a: 'x'.repeat(4088) };

    expect(await test.tokens.update(token.id, { description, metadata })).toMatchObject({ description, metadata });
    expect(await test.tokens.update(token.id, { metadata: nested(30) })).toMatchObject({ metadata: nested(30) });
    expect((await auditRows(test.dataSource, token.id)).length).toBe(3);
  });

  it('finds no token that is unknown, malformed or of another user', async () => {
    const token = await create();
    const grace = await test.addUser('grace@example.com');

    expect(await refusalOf(test.tokens.update(ABSENT, { name: 'x' }))).toBe('not_found');
    expect(await refusalOf(test.tokens.update('x', { name: 'x' }))).toBe('not_found');
    expect(await refusalOf(test.tokens.updateForUser(grace, token.id, { name: 'x' }))).toBe('not_found');
    expect(await test.tokens.updateForUser(test.user, token.id, { name: 'x' })).toMatchObject({ name: 'x' });
  });

  it('refuses tokens that are revoked, rotated or expired', async () => {
    const [revoked, rotated, expired, ended] = [
      await create(),
      await create(),
      await create({ expiresAt: inSeconds(60) }),
      await create(),
    ];
    await test.tokens.revoke(revoked.id);
    await test.tokens.rotate(rotated.id, { graceSeconds: 600 });
    test.clock.advance({ seconds: 60 });
    const codes = [revoked, rotated, expired].map(({ id }) => refusalOf(test.tokens.update(id, { name: 'x' })));

    expect(await Promise.all(codes)).toEqual(['token_revoked', 'token_revoked', 'token_expired']);
    await test.tokens.revokeAll(test.user);
    expect(await refusalOf(test.tokens.update(ended.id, { name: 'x' }))).toBe('token_revoked');
  });

  describe('through a principal', () => {
    it.each([[['read:notes', 'write:notes']], [['*']], [['write:notes']], [['read:*']]])(
      'does not widen the scopes to %j',
      async (scopes) => {
        const token = await create({ scopes: ['read:notes'] });

        expect(await refusalOf(test.tokens.update(token.id, { scopes }, holding('*')))).toBe('insufficient_scope');
        expect(await read(token.id)).toEqual(token);
      },
    );

    it('narrows a wildcard', async () => {
      const token = await create({ scopes: ['*'] });

      const updated = await test.tokens.update(token.id, { scopes: ['read:*', 'admin'] }, holding('*'));

      expect(updated.scopes).toEqual(['read:*', 'admin']);
    });

    it('changes only tokens whose scopes it holds', async () => {
      const token = await create();

      const change = test.tokens.update(token.id, { name: 'x' }, holding('read:notes', 'api_tokens:write'));

      expect(await refusalOf(change)).toBe('insufficient_scope');
    });

    it.each([[null], [DAY + 1]])('does not move the expiry to a later time: %j', async (seconds) => {
      const token = await create({ expiresAt: inSeconds(DAY) });
      const expiresAt = seconds === null ? null : inSeconds(seconds);

      expect(await refusalOf(test.tokens.update(token.id, { expiresAt }, holding('*')))).toBe('ttl_exceeded');
      expect(await test.tokens.update(token.id, { expiresAt: inSeconds(DAY) }, holding('*'))).toEqual(token);
    });
  });

  it('lets the application widen the scopes and move the expiry to a later time', async () => {
    const token = await create({ expiresAt: inSeconds(DAY) });

    const updated = await test.tokens.update(token.id, { scopes: ['*'], expiresAt: null });

    expect(updated).toEqual({ ...token, scopes: ['*'], expiresAt: null });
  });

  it('is in force at once, and for earlier tokens of the rotations in their grace period', async () => {
    const old = await test.tokens.create(test.user, REQUEST);
    const { rawToken, token } = await test.tokens.rotate(old.token.id, { graceSeconds: 600 });

    await test.tokens.update(token.id, { scopes: ['read:notes'], expiresAt: inSeconds(60) });

    const change = { scopes: ['read:notes'], expiresAt: inSeconds(60) };
    expect(await test.tokens.verify(rawToken)).toMatchObject(change);
    expect(await test.tokens.verify(old.rawToken)).toMatchObject(change);
  });

  it('does not extend the grace period of an earlier token', async () => {
    const old = await test.tokens.create(test.user, REQUEST);
    const { token } = await test.tokens.rotate(old.token.id, { graceSeconds: 60 });

    await test.tokens.update(token.id, { expiresAt: inSeconds(600) });

    expect(await test.tokens.verify(old.rawToken)).toMatchObject({ expiresAt: inSeconds(60) });
  });

  it('hands description and metadata on to the successor of a rotation', async () => {
    const token = await create({ description: 'd', metadata: { a: [1, 'x'] } });

    const rotated = await test.tokens.rotate(token.id);

    expect(rotated.token).toMatchObject({ description: 'd', metadata: { a: [1, 'x'] } });
  });
});

describe('ApiTokenService.update of a token that has made others', () => {
  let test: JwtApp;
  const inSeconds = (seconds: number) => new Date(test.clock.now().getTime() + seconds * 1000);

  beforeAll(async () => {
    test = await startJwtApp({}, { sigra: { controllers: { tokens: 'api/tokens', oauth: 'oauth' } } });
  });
  afterAll(closeJwtApps);

  /** Makes a token over HTTP, as the holder of another one does. */
  const make = async (by: string, scopes: readonly string[]) => {
    const answer = await fetch(`${test.url}/api/tokens`, {
      method: 'POST',
      headers: { authorization: `Bearer ${by}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'made', scopes }),
    });
    return (await answer.json()) as { rawToken: string; token: { id: string } };
  };
  const scopesOf = async (rawToken: string) => (await test.tokens.verify(rawToken)).scopes;

  it('narrows what it made, to any depth, also after rotations', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, { name: 'root', scopes: ['*'] });
    const child = await make(rawToken, ['*']);
    const grandchild = await make(child.rawToken, ['read:*', 'admin', 'api_tokens:write']);
    const rotated = await test.tokens.rotate(child.token.id);
    const other = await test.tokens.create(test.user, { name: 'other', scopes: ['*'] });

    await test.tokens.update(token.id, { scopes: ['read:notes', 'api_tokens:*'] });

    expect(await scopesOf(rawToken)).toEqual(['read:notes', 'api_tokens:*']);
    expect(await scopesOf(rotated.rawToken)).toEqual(['read:notes', 'api_tokens:*']);
    expect(await scopesOf(grandchild.rawToken)).toEqual(['api_tokens:write', 'read:notes']);
    expect(await scopesOf(other.rawToken)).toEqual(['*']);
  });

  it('records how many other credentials the change has narrowed, each once, in its audit row', async () => {
    const old = await test.tokens.create(test.user, { name: 'root', scopes: ['*'] });
    const { rawToken, token } = await test.tokens.rotate(old.token.id, { graceSeconds: 3600 });
    const child = await make(rawToken, ['*']);
    const within = await make(child.rawToken, ['read:notes']);
    const principal = { user: test.user, userId: test.user.id, method: 'api_token', scopes: ['*'], tokenId: token.id };
    await test.jwt.generateTokens(test.user, ['*'], { principal: principal as Principal });
    const narrowedBy = async (changes: UpdateApiToken) => {
      await test.tokens.update(token.id, changes);
      return (await auditRows(test.dataSource, token.id)).at(-1)?.metadata.narrowed;
    };

    const counts = [
      await narrowedBy({ name: 'renamed' }),
      await narrowedBy({ scopes: ['read:notes', 'api_tokens:write'], resources: ['note:1'] }),
      await narrowedBy({ scopes: ['api_tokens:write'] }),
      await narrowedBy({ scopes: ['read:notes', 'api_tokens:write'], resources: null }),
    ];

    // Of the earlier token, the child, what the child made and the family.
    expect(counts).toEqual([undefined, 4, 4, undefined]);
    expect(await scopesOf(within.rawToken)).toEqual([]);
  });

  it('leaves a token that has no scope in common without one', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, { name: 'root', scopes: ['*'] });
    const child = await make(rawToken, ['admin']);

    await test.tokens.update(token.id, { scopes: ['read:notes'] });

    expect(await scopesOf(child.rawToken)).toEqual([]);
  });

  it('narrows what it made when another transaction has just changed it', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, { name: 'root', scopes: ['*'] });
    const child = await make(rawToken, ['admin', 'read:notes', 'write:notes']);
    const runner = test.dataSource.createQueryRunner();
    await runner.startTransaction();
    await runner.query(`UPDATE sigra_api_tokens SET scopes = '{admin,read:notes}' WHERE id = $1`, [child.token.id]);
    const updated = test.tokens.update(token.id, { scopes: ['read:notes', 'write:notes'] });
    await untilWaiting(test.dataSource, 1);
    await runner.commitTransaction();
    await runner.release();
    await updated;

    expect(await scopesOf(child.rawToken)).toEqual(['read:notes']);
  });

  it('narrows many different lists at once', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, { name: 'root', scopes: ['*'] });
    const { token: child } = await make(rawToken, ['*']);
    await test.dataSource.query(
      `INSERT INTO sigra_api_tokens (id, owner_type, owner_id, token_epoch, name, prefix, hint, token_hash, scopes, allowed_ips,
         descends_from, created_at)
       SELECT gen_random_uuid(), owner_type, owner_id, token_epoch, name, prefix, hint, sha256(n::text::bytea), scopes,
         ARRAY['10.0.' || n / 256 || '.' || n % 256, '192.0.2.1'], descends_from, created_at
       FROM sigra_api_tokens, generate_series(1, 5000) n WHERE id = $1`,
      [child.id],
    );

    await test.tokens.update(token.id, { allowedIps: ['192.0.2.0/24'] });

    const lists = await test.dataSource.query(
      'SELECT DISTINCT allowed_ips AS list FROM sigra_api_tokens WHERE descends_from && ARRAY[$1::uuid] ORDER BY 1',
      [token.id],
    );
    expect(lists).toEqual([{ list: ['192.0.2.0/24'] }, { list: ['192.0.2.1'] }]);
    await test.dataSource.query('DELETE FROM sigra_api_tokens WHERE descends_from && ARRAY[$1::uuid]', [token.id]);
  });

  it('gives a token in its grace period nothing back that it has lost', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes', 'admin'] });
    const successor = await test.tokens.rotate(token.id, { graceSeconds: 3600 });
    const lists = `scopes = '{admin}', allowed_ips = '{192.0.2.1}'`;
    await test.dataSource.query(`UPDATE sigra_api_tokens SET ${lists} WHERE id = $1`, [token.id]);

    await test.tokens.update(successor.token.id, { expiresAt: inSeconds(600) });

    const { token: earlier } = (await test.tokens.lookup(rawToken))!;
    expect(earlier).toMatchObject({ scopes: ['admin'], allowedIps: ['192.0.2.1'], expiresAt: inSeconds(600) });
  });

  it('narrows families that it made, so that their next access token has fewer scopes', async () => {
    const { token } = await test.tokens.create(test.user, { name: 'root', scopes: ['*'] });
    const principal: Principal = {
      user: test.user,
      userId: test.user.id,
      method: 'api_token',
      scopes: ['*'],
      tokenId: token.id,
    };
    const pair = await test.jwt.generateTokens(test.user, ['*'], { principal });

    await test.tokens.update(token.id, { scopes: ['read:notes'] });
    const refreshed = await test.jwt.refresh(pair.refreshToken);

    expect(await (await test.present(refreshed.accessToken)).json()).toMatchObject({ scopes: ['read:notes'] });
    // The access token was signed before, and can make nothing any more with the scopes that were taken away.
    expect((await make(pair.accessToken, ['admin'])).rawToken).toBeUndefined();
  });

  it('ends what it made no later than itself', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, { name: 'root', scopes: ['*'] });
    const child = await make(rawToken, ['read:notes']);

    await test.tokens.update(token.id, { expiresAt: inSeconds(60) });
    const until = await test.tokens.verify(child.rawToken);
    await test.tokens.update(token.id, { expiresAt: inSeconds(600) });

    expect(until.expiresAt).toEqual(inSeconds(60));
    expect((await test.tokens.verify(child.rawToken)).expiresAt).toEqual(inSeconds(60));
    const late = test.tokens.update(child.token.id, { expiresAt: inSeconds(601) });
    expect(await refusalOf(late)).toBe('ttl_exceeded');
  });

  it('refuses to repeat the answer to a request for a scope that was taken away', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, { name: 'root', scopes: ['*'] });
    const send = async () =>
      fetch(`${test.url}/api/tokens`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${rawToken}`,
          'content-type': 'application/json',
          'idempotency-key': `key-of-the-request-${token.id}`,
        },
        body: JSON.stringify({ name: 'made', scopes: ['admin'] }),
      });

    const first = await send();
    await test.tokens.update(token.id, { scopes: ['api_tokens:write'] });
    const second = await send();

    expect([first.status, second.status]).toEqual([201, 403]);
  });
});

describe('apiTokens.parseMetadata', () => {
  const start = (parseMetadata: NonNullable<SigraModuleOptions<User>['apiTokens']>['parseMetadata']) =>
    startTestApp({ sigra: { apiTokens: { ...SIGRA_OPTIONS.apiTokens, parseMetadata } } });

  it('decides what is stored, and refuses the rest', async () => {
    const test = await start(async (metadata) => {
      if (metadata.team === 'http') throw new BadRequestException('no such team');
      if (metadata.team === 'list') return [];
      if (typeof metadata.team !== 'string') throw new TypeError('team is required');
      return { team: metadata.team.toUpperCase() };
    });
    const create = (metadata: Record<string, unknown>) => test.tokens.create(test.user, { ...REQUEST, metadata });

    const { token } = await create({ team: 'web', more: 1 });
    const update = (metadata: Record<string, unknown>) => test.tokens.update(token.id, { metadata });

    expect(token.metadata).toEqual({ team: 'WEB' });
    expect((await update({ team: 'ops' })).metadata).toEqual({ team: 'OPS' });
    expect(await refusalOf(update({}))).toBe('invalid_metadata');
    expect(await refusalOf(update({ team: 'list' }))).toBe('invalid_metadata');
    expect(await refusalOf(test.tokens.create(test.user, REQUEST))).toBe('invalid_metadata');
    await expect(update({ team: 'http' })).rejects.toThrow(BadRequestException);
    await test.close();
  });
});
