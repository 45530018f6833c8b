import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ApiTokenService } from 'nestjs-sigra';
import { betterAuthKey, FORMATS, knoxToken, sanctumToken } from '../support/foreign-tokens.js';
import { document } from '../support/markdown.js';
import { SnippetRunner } from '../support/run-snippet.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

interface Source {
  query(sql: string, parameters?: unknown[]): Promise<unknown>;
}
type Import = (source: Source, tokens: ApiTokenService) => Promise<number>;

/** More than nine, so that the order of ids as numbers is not that of ids as text. */
const TOKENS = 12;
const TABLES = [
  `CREATE TABLE personal_access_tokens (id bigserial PRIMARY KEY, tokenable_type varchar(255) NOT NULL,
     tokenable_id uuid NOT NULL, name text NOT NULL, token varchar(64) NOT NULL UNIQUE, abilities text,
     last_used_at timestamp(0), expires_at timestamp(0), created_at timestamp(0), updated_at timestamp(0))`,
  `CREATE TABLE knox_authtoken (digest varchar(128) PRIMARY KEY, token_key varchar(25) NOT NULL,
     user_id uuid NOT NULL, created timestamptz NOT NULL, expiry timestamptz)`,
  `CREATE TABLE apikey (id text PRIMARY KEY, name text, start text, key text NOT NULL, "userId" text NOT NULL,
     enabled boolean, "lastRequest" timestamptz, "expiresAt" timestamptz, "createdAt" timestamptz NOT NULL,
     permissions text)`,
];
const SOURCES = [
  {
    script: 'importSanctum',
    sample: sanctumToken,
    insert: `INSERT INTO personal_access_tokens (id, tokenable_type, tokenable_id, name, token, abilities, created_at)
       VALUES ($1, 'App\\Models\\User', $2, 'Old', $3, '["read:notes"]', timestamp '2020-01-01')`,
  },
  {
    script: 'importKnox',
    sample: knoxToken,
    insert: `INSERT INTO knox_authtoken (token_key, user_id, digest, created)
       VALUES ('key' || $1::int, $2, $3, timestamptz '2020-01-01Z')`,
  },
  {
    script: 'importApiKeys',
    sample: betterAuthKey,
    insert: `INSERT INTO apikey (id, "userId", key, enabled, "createdAt", permissions)
       VALUES ('key' || $1::int, $2, $3, true, timestamptz '2020-01-01Z', '{"notes":["read"]}')`,
  },
] as const;

describe('The scripts of docs/import.md', () => {
  let test: TestApp;
  const scripts = new SnippetRunner(document('docs/import.md'), {});

  beforeAll(async () => {
    test = await startTestApp({ sigra: { apiTokens: { scopes: ['read:notes'], foreignFormats: FORMATS } } });
    for (const statement of TABLES) await test.dataSource.query(statement);
  });
  afterAll(() => test.close());

  it.each(SOURCES)('$script imports each token of several pages, and each once', async ({ script, sample, insert }) => {
    const run = (await scripts.run<Record<string, Import>>(`function ${script}`))[script]!;
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

    expect(read).toEqual([5, 5, 2, 0]);
    expect(imported).toBe(TOKENS);
    for (const { raw } of samples) expect(await test.tokens.verify(raw)).toMatchObject({ ownerId: test.user.id });
  });
});
