import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as sigra from 'nestjs-sigra';
import { type ApiTokenService, ownerRef } from 'nestjs-sigra';
import {
  betterAuthKey,
  type ForeignSample,
  FORMATS,
  knoxToken,
  ownKey,
  sanctumToken,
  unkeyKey,
  FOREIGN_TABLES,
} from '../support/foreign-tokens.js';
import { document } from '../support/markdown.js';
import { SnippetRunner } from '../support/run-snippet.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

interface Source {
  query(sql: string, parameters?: unknown[]): Promise<unknown>;
}
type Import = (source: Source, tokens: ApiTokenService) => Promise<number>;

/** More than nine, so that the order of ids as numbers is not that of ids as text. */
const TOKENS = 12;
const KEYS = `CREATE TABLE api_keys (id bigserial PRIMARY KEY, user_id uuid NOT NULL, name text NOT NULL, key_hash text NOT NULL,
  scopes text[] NOT NULL, last_used_at timestamptz, expires_at timestamptz, revoked_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT '2020-01-01Z')`;
const TABLES = [...FOREIGN_TABLES, KEYS];
const INSERT_KEY = `INSERT INTO apikey (id, "configId", "referenceId", key, enabled, "createdAt", "updatedAt", permissions)
  VALUES ('key' || $1::int, 'default', $2, $3, true, timestamptz '2020-01-01Z', timestamptz '2020-01-01Z', '{"notes":["read"]}')`;
const INSERT_OWN = `INSERT INTO api_keys (id, user_id, name, key_hash, scopes) VALUES ($1, $2, 'Old', $3, '{read:notes}')`;
const SOURCES = [
  {
    script: 'importSanctum',
    sample: sanctumToken,
    insert: `INSERT INTO personal_access_tokens (id, tokenable_type, tokenable_id, name, token, abilities, created_at)
       VALUES ($1, 'App\\Models\\User', $2, 'Old', $3, '["read:notes"]', timestamp '2020-01-01')`,
    read: [5, 5, 2, 0],
  },
  {
    script: 'importKnox',
    sample: knoxToken,
    insert: `INSERT INTO knox_authtoken (token_key, user_id, digest, created)
       VALUES ('key' || $1::int, $2, $3, timestamptz '2020-01-01Z')`,
    read: [5, 5, 2, 0],
  },
  // And a page without rows for the other configuration.
  { script: 'importApiKeys', sample: betterAuthKey, insert: INSERT_KEY, read: [5, 5, 2, 0, 0] },
  { script: 'importKeys', sample: ownKey, insert: INSERT_OWN, read: [5, 5, 2, 0] },
] as const;

describe('The scripts of docs/import.md', () => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp({
      sigra: {
        apiTokens: { scopes: ['read:notes'], foreignFormats: FORMATS },
        owners: { organization: { provider: { findByIds: (ids) => Promise.resolve(ids.map((id) => ({ id }))) } } },
      },
    });
    for (const statement of TABLES) await test.dataSource.query(statement);
  });
  afterAll(() => test.close());

  const scriptOf = async <Script = Import>(name: string): Promise<Script> => {
    const scripts = new SnippetRunner(document('docs/import.md'), { 'nestjs-sigra': sigra });
    return (await scripts.run<Record<string, Script>>(`function ${name}`))[name]!;
  };

  it.each(SOURCES)(
    '$script imports each token of several pages, and each once',
    async ({ script, sample, insert, read: expected }) => {
      const run = await scriptOf(script);
      const samples = Array.from({ length: TOKENS }, (_each, index) => sample(index + 1));
      for (const [index, { hash }] of samples.entries()) {
        await test.dataSource.query(insert, [index + 1, test.user.id, hash]);
      }
      const read: number[] = [];
      const pages: Source = {
        query: async (sql, parameters) => {
          const rows = await test.dataSource.query<unknown[]>(sql.replace('LIMIT 10000', 'LIMIT 5'), parameters);
          read.push(rows.length);
          return rows;
        },
      };

      const imported = await run(pages, test.tokens);

      expect(read).toEqual(expected);
      expect(imported).toBe(TOKENS);
      for (const { raw } of samples) expect(await test.tokens.verify(raw)).toMatchObject({ ownerId: test.user.id });
    },
  );

  it('importApiKeys keeps users and organizations with equal ids apart, and leaves out other configurations', async () => {
    const run = await scriptOf('importApiKeys');
    const [ofUser, ofOrganization, ofOther] = [betterAuthKey(), betterAuthKey(), betterAuthKey()];
    const [disabled, unset] = [betterAuthKey(), betterAuthKey()];
    const samples = [ofUser, ofOrganization, ofOther, disabled, unset];
    for (const [index, { hash }] of samples.entries()) {
      await test.dataSource.query(INSERT_KEY, [100 + index, test.user.id, hash]);
    }
    await test.dataSource.query(`UPDATE apikey SET "configId" = 'organizations' WHERE key = $1`, [ofOrganization.hash]);
    await test.dataSource.query(`UPDATE apikey SET "configId" = 'partners' WHERE key = $1`, [ofOther.hash]);
    await test.dataSource.query('UPDATE apikey SET enabled = false WHERE key = $1', [disabled.hash]);
    await test.dataSource.query('UPDATE apikey SET enabled = NULL WHERE key = $1', [unset.hash]);

    expect(await run(test.dataSource, test.tokens)).toBe(3);

    expect(await test.tokens.verify(ofUser.raw)).toMatchObject({ ownerType: 'user', ownerId: test.user.id });
    expect(await test.tokens.verify(unset.raw)).toMatchObject({ ownerType: 'user' });
    await expect(test.tokens.verify(ofOrganization.raw)).rejects.toMatchObject({ code: 'owner_not_allowed' });
    const { token } = (await test.tokens.lookup(ofOrganization.raw))!;
    expect(token).toMatchObject({ ownerType: 'organization', ownerId: test.user.id });
    const { tokens } = await test.tokens.listActive(ownerRef('organization', test.user.id));
    expect(tokens.map(({ id }) => id)).toEqual([token.id]);
    for (const { raw } of [ofOther, disabled]) expect(await test.tokens.lookup(raw)).toBeUndefined();
  });

  it('importKeys reads hashes as bytes, and leaves out revoked keys', async () => {
    const run = await scriptOf('importKeys');
    const [living, revoked] = [ownKey(), ownKey()];
    await test.dataSource.query('DROP TABLE api_keys');
    await test.dataSource.query(KEYS.replace('key_hash text', 'key_hash bytea'));
    for (const [index, { hash }] of [living, revoked].entries()) {
      await test.dataSource.query(INSERT_OWN, [index + 1, test.user.id, Buffer.from(hash, 'hex')]);
    }
    await test.dataSource.query('UPDATE api_keys SET revoked_at = now() WHERE id = 2');

    expect(await run(test.dataSource, test.tokens)).toBe(1);

    expect(await test.tokens.verify(living.raw)).toMatchObject({ prefix: 'own:', scopes: ['read:notes'] });
    expect(await test.tokens.lookup(revoked.raw)).toBeUndefined();
  });

  it('importUnkey imports recoverable keys by their plaintext and others by their hash', async () => {
    type ImportKeys = (keys: readonly object[], tokens: ApiTokenService) => Promise<number>;
    const run = await scriptOf<ImportKeys>('importUnkey');
    const [recoverable, stored, disabled, ownerless, past] = [
      unkeyKey(),
      unkeyKey(),
      unkeyKey(),
      unkeyKey(),
      unkeyKey(),
    ];
    const key = ({ raw }: ForeignSample) => ({
      keyId: `key_${raw.slice(5)}`,
      start: raw.slice(0, 9),
      enabled: true,
      createdAt: 1_600_000_000_000,
      permissions: ['notes.read'],
    });
    const identity = { id: 'id_1', externalId: test.user.id };

    const imported = await run(
      [
        { ...key(recoverable), identity, plaintext: recoverable.raw, name: 'Recoverable', expires: 32_472_144_000_000 },
        { ...key(stored), externalId: test.user.id, hash: stored.hash },
        { ...key(disabled), identity, hash: disabled.hash, enabled: false },
        { ...key(ownerless), hash: ownerless.hash },
        { ...key(past), identity, hash: past.hash, expires: 1_600_000_000_001 },
      ],
      test.tokens,
    );

    expect(imported).toBe(2);
    expect(await test.tokens.verify(recoverable.raw)).toMatchObject({
      prefix: 'unkey:',
      hint: recoverable.raw.slice(0, 9),
      name: 'Recoverable',
      ownerId: test.user.id,
      scopes: ['read:notes'],
      createdAt: new Date(1_600_000_000_000),
      expiresAt: new Date(32_472_144_000_000),
    });
    expect(await test.tokens.verify(stored.raw)).toMatchObject({ ownerId: test.user.id, expiresAt: null });
    for (const { raw } of [disabled, ownerless, past]) expect(await test.tokens.lookup(raw)).toBeUndefined();
  });
});
