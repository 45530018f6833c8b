import { createHash, randomUUID, scryptSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CredentialService, type HashedToken, SigraError } from 'nestjs-sigra';
import { hashSecret } from '../../libs/sigra/src/common/secret.js';
import { auditRows } from '../support/audit-rows.js';
import {
  betterAuthKey,
  type ForeignSample,
  FORMATS,
  knoxToken,
  sanctumToken,
  unkeyKey,
} from '../support/foreign-tokens.js';
import { type OAuthApp, OAUTH_CONTROLLERS, startOAuthApp } from '../support/oauth-app.js';
import { QueryLog } from '../support/query-log.js';
import { refusalOf } from '../support/refusal.js';
import { ADAPTERS } from '../support/test-app.js';

const SCOPES = ['read:notes', 'write:notes', 'admin'];
const SALT = 'salt of the old application';
const salted = (secret: string) => scryptSync(secret, SALT, 32, { N: 1024 });
const SAMPLES = {
  sanctum: () => sanctumToken(12),
  knox: knoxToken,
  'better-auth': betterAuthKey,
  unkey: unkeyKey,
} as const;
type Format = keyof typeof SAMPLES;
/** What happens while `parseMetadata` runs for tokens whose metadata has `waits`. */
let meanwhile: () => Promise<unknown> = () => Promise.resolve();

async function start(adapter: 'express' | 'fastify' = 'express', first?: OAuthApp): Promise<OAuthApp> {
  return startOAuthApp(
    {},
    {
      adapter,
      sigra: {
        controllers: OAUTH_CONTROLLERS,
        credentials: { headers: ['authorization', 'x-api-key'] },
        apiTokens: {
          scopes: SCOPES,
          maxActivePerOwner: 20,
          parseMetadata: async (metadata) => {
            if (metadata.waits) await meanwhile();
            return metadata;
          },
          foreignFormats: {
            ...FORMATS,
            salted: { pattern: /^old_\w{40}$/, digest: (secret) => Promise.resolve(salted(secret)) },
          },
        },
      },
      ...(first && { databaseUrl: first.databaseUrl, clock: first.clock }),
    },
  );
}

describe.each(ADAPTERS)('An imported token, on %s', (adapter) => {
  let test: OAuthApp;

  beforeAll(async () => {
    test = await start(adapter);
  });
  afterAll(() => test.close());

  const row = (format: string, { hash, hint }: ForeignSample, more: Partial<HashedToken> = {}): HashedToken => ({
    format,
    hash,
    hint,
    owner: test.user,
    name: `From ${format}`,
    scopes: ['read:notes'],
    ...more,
  });
  const send = async (headers: Record<string, string>, path = 'notes') => {
    const answer = await fetch(`${test.url}/${path}`, { headers });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const bearer = (raw: string) => ({ authorization: `Bearer ${raw}` });

  it.each(Object.keys(SAMPLES) as Format[])(
    'is accepted with its raw form of %s until it is revoked',
    async (format) => {
      const sample = SAMPLES[format]();

      expect((await send(bearer(sample.raw))).status).toBe(401);
      expect(await test.tokens.importHashed([row(format, sample)])).toEqual({ imported: 1, skipped: [] });
      expect((await send(bearer(sample.raw))).status).toBe(200);
      expect((await send({ 'x-api-key': sample.raw })).status).toBe(200);
      const { token } = (await test.tokens.lookup(sample.raw)) ?? {};
      expect(token).toMatchObject({ prefix: `${format}:`, hint: sample.hint ?? '', name: `From ${format}` });
      await test.tokens.revoke(String(token?.id));
      expect((await send(bearer(sample.raw))).status).toBe(401);
    },
  );

  it('is accepted with the scheme of its format, which accepts nothing else', async () => {
    const sample = knoxToken();
    await test.tokens.importHashed([row('knox', sample)]);
    const jwt = (await test.signIn('read:notes')).accessToken;

    expect((await send({ authorization: `Token ${sample.raw}` })).status).toBe(200);
    expect((await send({ authorization: `Token ${knoxToken().raw}` })).status).toBe(401);
    expect((await send({ authorization: `Token ${jwt}` })).status).toBe(401);
    expect((await send({ authorization: 'Token a|b' })).status).toBe(400);
  });

  it('is the secret of an OAuth client, and can be introspected and revoked at the endpoints', async () => {
    const [client, other] = [sanctumToken(1), sanctumToken(2)];
    await test.tokens.importHashed([
      row('sanctum', client, { scopes: ['read:notes', 'oauth:introspect'] }),
      row('sanctum', other),
    ]);
    const id = String((await test.tokens.lookup(client.raw))?.token.id);
    const credentials = { client_id: id, client_secret: client.raw };

    const introspected = await test.post('introspect', { ...credentials, token: other.raw });
    const issued = await test.post('token', { ...credentials, grant_type: 'client_credentials' });
    await test.post('revoke', { ...credentials, token: other.raw });

    expect(introspected.body).toMatchObject({ active: true, sub: test.user.id });
    expect(issued.status).toBe(200);
    expect((await send(bearer(other.raw))).status).toBe(401);
  });

  it('is replaced by a native token, and stays valid until the end of its grace period', async () => {
    const sample = sanctumToken(3);
    await test.tokens.importHashed([row('sanctum', sample, { description: 'Old', metadata: { team: 7 } })]);
    const { token } = (await test.tokens.lookup(sample.raw)) ?? {};

    const rotated = await test.tokens.rotate(String(token?.id), { graceSeconds: 60 });

    expect(rotated.rawToken).toMatch(test.tokens.tokenPattern());
    expect(rotated.token).toMatchObject({ prefix: 'sigra_sk_', description: 'Old', metadata: { team: 7 } });
    expect((await send(bearer(sample.raw))).status).toBe(200);
    expect((await send(bearer(rotated.rawToken))).status).toBe(200);
    test.clock.advance({ seconds: 61 });
    expect((await send(bearer(sample.raw))).status).toBe(401);
    expect((await send(bearer(rotated.rawToken))).status).toBe(200);
  });
});

describe('importHashed()', () => {
  let test: OAuthApp;

  beforeAll(async () => {
    test = await start();
  });
  afterAll(() => test.close());

  const row = (format: string, hash: string | Uint8Array, more: Partial<HashedToken> = {}): HashedToken => ({
    format,
    hash,
    owner: test.user,
    name: 'Old',
    scopes: ['read:notes'],
    ...more,
  });
  const problemsOf = async (tokens: readonly HashedToken[]) => {
    const error: unknown = await test.tokens.importHashed(tokens).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(SigraError);
    expect((error as SigraError).code).toBe('invalid_import');
    return (error as SigraError).problems?.map(({ index, code }) => [index, code]);
  };
  const count = async () =>
    Number((await test.dataSource.query<{ n: string }[]>('SELECT count(*) AS n FROM sigra_api_tokens'))[0]?.n);

  it('keeps times, hint and properties, and writes an audit row for each token', async () => {
    const owner = await test.addUser('grace@example.com');
    const sample = betterAuthKey();
    const [createdAt, lastUsedAt] = [new Date('2020-01-01T00:00:00Z'), new Date('2021-01-01T00:00:00Z')];
    const expiresAt = new Date('2999-01-01T00:00:00Z');
    const times = { createdAt, lastUsedAt, expiresAt };

    await test.tokens.importHashed(
      [row('better-auth', sample.hash, { owner: owner.id, hint: sample.hint, ...times })],
      { ipAddress: '192.0.2.1' },
    );

    const { tokens } = await test.tokens.listActive(owner);
    expect(tokens).toMatchObject([{ ...times, prefix: 'better-auth:', hint: sample.hint, madeByTokenId: null }]);
    expect(await auditRows(test.dataSource, String(tokens[0]?.id))).toMatchObject([
      {
        action: 'api.token_import',
        actor_type: 'system',
        ip_address: '192.0.2.1',
        metadata: { userId: owner.id, format: 'better-auth', name: 'Old', scopes: ['read:notes'] },
      },
    ]);
  });

  it('reports all problems by index, and writes nothing then', async () => {
    const before = await count();
    const hash = sanctumToken(1).hash;
    const future = new Date('2999-01-01T00:00:00Z');

    const problems = await problemsOf([
      row('sanctum', sanctumToken(1).hash),
      row('sanctum', hash.slice(1)),
      row('other', hash),
      row('sanctum', sanctumToken(1).hash, { owner: randomUUID() }),
      row('sanctum', sanctumToken(1).hash, { owner: {} }),
      row('sanctum', sanctumToken(1).hash, { scopes: ['read:unknown'] }),
      row('sanctum', sanctumToken(1).hash, { name: '' }),
      row('sanctum', sanctumToken(1).hash, { expiresAt: new Date(Number.NaN) }),
      row('sanctum', sanctumToken(1).hash, { createdAt: future }),
      row('sanctum', sanctumToken(1).hash, { lastUsedAt: future }),
      row('sanctum', sanctumToken(1).hash, { hint: 'a hint that is too long' }),
      row('knox', hash),
      row('salted', hash),
      row('sanctum', hash),
      row('sanctum', hash.toUpperCase()),
    ]);

    expect(problems).toEqual([
      [1, 'invalid_import'],
      [2, 'invalid_import'],
      [3, 'not_found'],
      [4, 'not_found'],
      [5, 'unregistered_scopes'],
      [6, 'name_required'],
      [7, 'invalid_expiry'],
      [8, 'invalid_import'],
      [9, 'invalid_import'],
      [10, 'invalid_import'],
      [11, 'invalid_import'],
      [12, 'invalid_import'],
      [14, 'invalid_import'],
    ]);
    expect(await count()).toBe(before);
  });

  it('skips tokens that are stored already, and tokens that have expired', async () => {
    const owner = await test.addUser('alan@example.com');
    const [old, fresh, expired] = [sanctumToken(1), sanctumToken(2), sanctumToken(3)];
    await test.tokens.importHashed([row('sanctum', old.hash, { owner })]);

    const result = await test.tokens.importHashed([
      row('sanctum', expired.hash, { owner, expiresAt: test.clock.now() }),
      row('sanctum', old.hash, { owner }),
      row('sanctum', fresh.hash, { owner }),
    ]);

    expect(result).toEqual({
      imported: 1,
      skipped: [
        { index: 0, reason: 'expired' },
        { index: 1, reason: 'imported' },
      ],
    });
  });

  it('holds maxActivePerOwner, also for tokens that an earlier run has imported', async () => {
    const owner = await test.addUser('kurt@example.com');
    const rows = Array.from({ length: 21 }, (_each, index) => row('sanctum', sanctumToken(index).hash, { owner }));
    await test.tokens.importHashed(rows.slice(0, 10));

    const problems = await problemsOf(rows);
    const result = await test.tokens.importHashed(rows.slice(0, 20));

    expect(problems).toHaveLength(21);
    expect(problems?.[0]).toEqual([0, 'too_many_tokens']);
    expect(result.imported).toBe(10);
  });

  it('is refused for a principal', async () => {
    const principal = { user: test.user, userId: test.user.id, method: 'session', scopes: ['*'] } as const;

    await expect(test.tokens.importHashed([], { principal } as never)).rejects.toThrow(TypeError);
  });

  it('skips the tokens of an owner that is locked out while the call runs', async () => {
    const [owner, other] = [await test.addUser('edsger@example.com'), await test.addUser('john@example.com')];
    const samples = [sanctumToken(1), sanctumToken(2), sanctumToken(3)] as const;
    meanwhile = () => test.get(CredentialService).lockOut(owner);

    const result = await test.tokens.importHashed([
      row('sanctum', samples[0].hash, { owner }),
      row('sanctum', samples[1].hash, { owner: other }),
      row('sanctum', samples[2].hash, { owner, metadata: { waits: true } }),
    ]);

    const reason = 'revoked';
    expect(result).toEqual({
      imported: 1,
      skipped: [
        { index: 0, reason },
        { index: 2, reason },
      ],
    });
    expect(await refusalOf(test.tokens.verify(samples[0].raw))).toBe('invalid_token');
    expect(await test.tokens.verify(samples[1].raw)).toMatchObject({ ownerId: other.id });
  });

  it('ends with all tokens of its owner', async () => {
    const owner = await test.addUser('barbara@example.com');
    const sample = knoxToken();
    await test.tokens.importHashed([row('knox', sample.hash, { owner })]);

    expect(await test.tokens.revokeAll(owner)).toBe(1);

    expect(await refusalOf(test.tokens.verify(sample.raw))).toBe('token_revoked');
  });

  it('verifies with a digest of the application', async () => {
    const raw = `old_${'a'.repeat(40)}`;
    await test.tokens.importHashed([row('salted', salted(raw))]);

    expect(await test.tokens.verify(raw)).toMatchObject({ prefix: 'salted:' });
    expect(await refusalOf(test.tokens.verify(`old_${'b'.repeat(40)}`))).toBe('invalid_token');
  });

  it('keeps the rows of formats and of native tokens apart', async () => {
    const owner = await test.addUser('donald@example.com');
    const [foreign, other] = [unkeyKey(), betterAuthKey()];
    const native = await test.tokens.create(owner, { name: 'Native', scopes: ['read:notes'] });
    // The row of another format with the digest of this raw token, and a native row whose hash is that digest.
    await test.tokens.importHashed([row('better-auth', foreign.hash, { owner })]);
    await test.dataSource.query(`UPDATE sigra_api_tokens SET token_hash = decode($2, 'hex') WHERE id = $1`, [
      native.token.id,
      hashSecret(other.raw),
    ]);

    expect(await refusalOf(test.tokens.verify(foreign.raw))).toBe('invalid_token');
    expect(await refusalOf(test.tokens.verify(other.raw))).toBe('invalid_token');
    // The raw token of Sigra is not found by an import of its own hash either.
    const second = await test.tokens.create(owner, { name: 'Second', scopes: ['read:notes'] });
    await test.tokens.importHashed([row('sanctum', createHash('sha256').update(second.rawToken).digest(), { owner })]);
    await test.tokens.revoke(second.token.id);
    expect(await refusalOf(test.tokens.verify(second.rawToken))).toBe('token_revoked');
  });

  it.each([
    ['too long', `${'1'.repeat(480)}|${'a'.repeat(40)}00000000`],
    ['of another form', `12|${'a'.repeat(40)}0000000`],
    ['like a JWT', `eyJ${'a'.repeat(61)}`],
  ])('refuses a raw token that is %s without a query', async (_case, raw) => {
    const log = QueryLog.of(test.dataSource);

    expect(await refusalOf(test.tokens.verify(raw))).toBe('invalid_token');

    expect(log.queries).toEqual([]);
  });

  it('costs one query for each verification, as a native token does', async () => {
    const sample = sanctumToken(1);
    const owner = await test.addUser('tony@example.com');
    const { rawToken } = await test.tokens.create(owner, { name: 'Native', scopes: ['read:notes'] });
    await test.tokens.importHashed([row('sanctum', sample.hash, { owner })]);
    const log = QueryLog.of(test.dataSource);

    await test.tokens.verify(rawToken);
    const native = log.queries.map(({ sql }) => sql);
    log.clear();
    await test.tokens.verify(sample.raw);

    expect(log.queries.map(({ sql }) => sql)).toEqual(native);
  });
});
