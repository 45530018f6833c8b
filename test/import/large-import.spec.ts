import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as sigra from 'nestjs-sigra';
import { ApiTokenAdminService, type ApiTokenService } from 'nestjs-sigra';
import type { DataSource } from 'typeorm';
import { FOREIGN_TABLES, FORMATS } from '../support/foreign-tokens.js';
import { document } from '../support/markdown.js';
import { SnippetRunner } from '../support/run-snippet.js';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';

type Source = Pick<DataSource, 'query'>;
type Import = (source: Source, tokens: ApiTokenService) => Promise<number>;

const TOKENS = 100_000;
const OWNERS = 500;
const PAGE = 10_000;
/** The tokens of each format that are rotated. */
const ROTATED = 20;
const LETTERS = "translate(encode(sha256(('b' || n)::bytea), 'hex'), '0123456789', 'ghijklmnop')";
const PLAIN = "md5('s' || n) || substr(md5('t' || n), 1, 16)";
const HEX = "encode(sha256(('k' || n)::bytea), 'hex')";
const EACH = `FROM generate_series(1, ${TOKENS}) AS n JOIN owners ON owners.at = n % ${OWNERS}`;
const OWNED = `WITH owners AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS at FROM users WHERE email LIKE 'import-%')`;

const TABLES = [
  ...FOREIGN_TABLES,
  'CREATE INDEX ON apikey ("configId")',
  `${OWNED} INSERT INTO personal_access_tokens (tokenable_type, tokenable_id, name, token, abilities, created_at)
     SELECT 'App\\Models\\User', owners.id, 'Token ' || n, encode(sha256((${PLAIN})::bytea), 'hex'), '["read:notes"]',
       timestamp '2020-01-01' ${EACH} ORDER BY n`,
  `${OWNED} INSERT INTO knox_authtoken SELECT encode(sha512((${HEX})::bytea), 'hex'), substr(${HEX}, 1, 15), owners.id,
       timestamptz '2020-01-01Z', NULL ${EACH}`,
  `${OWNED} INSERT INTO apikey (id, "configId", name, start, key, "referenceId", enabled, "createdAt", "updatedAt", permissions)
     SELECT 'key' || n, 'default', 'Key ' || n, substr(${LETTERS}, 1, 6),
       rtrim(translate(encode(sha256((${LETTERS})::bytea), 'base64'), '+/', '-_'), '='), owners.id::text, true,
       timestamptz '2020-01-01Z', timestamptz '2020-01-01Z', '{"notes":["read"]}' ${EACH}`,
];
const SOURCES = [
  { format: 'sanctum', script: 'importSanctum', raw: `n || '|' || ${PLAIN}`, authorization: 'Bearer' },
  { format: 'knox', script: 'importKnox', raw: HEX, authorization: 'Token' },
  { format: 'better-auth', script: 'importApiKeys', raw: LETTERS, authorization: 'Bearer' },
] as const;

/** A source that fails after some pages of 10,000 tokens. */
function interruptedAfter(pages: number, source: DataSource): Source {
  let read = 0;
  return {
    query: async (...statement: Parameters<DataSource['query']>) => {
      if (read++ === pages) throw new Error('the source is gone');
      return source.query(...statement);
    },
  };
}

describe(`Tables of ${TOKENS} tokens, imported with the scripts of docs/import.md`, () => {
  let test: TestApp;
  const scripts = new SnippetRunner(document('docs/import.md'), { 'nestjs-sigra': sigra });
  const options = { sigra: { apiTokens: { scopes: ['read:notes'], foreignFormats: FORMATS, maxPageSize: PAGE } } };

  beforeAll(async () => {
    test = await startTestApp(options);
    await test.dataSource.query(
      `INSERT INTO users (id, email) SELECT gen_random_uuid(), 'import-' || n FROM generate_series(1, ${OWNERS}) AS n`,
    );
    for (const statement of TABLES) await test.dataSource.query(statement);
  }, 120_000);
  afterAll(() => test.close());

  const storedOf = async (format: string) => {
    const [row] = await test.dataSource.query<{ n: string }[]>(
      'SELECT count(*) AS n FROM sigra_api_tokens WHERE prefix = $1',
      [`${format}:`],
    );
    return Number(row?.n);
  };

  /** The ids of all tokens of a format, as an administrator lists them. */
  const listedOf = async (format: string) => {
    const ids = new Set<string>();
    for (let cursor: string | null | undefined; cursor !== null;) {
      const filter = { prefix: `${format}:`, limit: PAGE };
      const page = await test.get(ApiTokenAdminService).search(cursor === undefined ? filter : { ...filter, cursor });
      for (const { token } of page.tokens) ids.add(token.id);
      cursor = page.nextCursor;
    }
    return ids;
  };

  it.each(SOURCES)(
    'keeps the raw tokens of $format, and continues after an interruption',
    async ({ format, script, raw, authorization }) => {
      const run = (await scripts.run<Record<string, Import>>(`function ${script}`))[script];
      if (!run) throw new Error(`docs/import.md has no ${script}`);

      await expect(run(interruptedAfter(2, test.dataSource), test.tokens)).rejects.toThrow('the source is gone');
      const before = await storedOf(format);
      const imported = await run(test.dataSource, test.tokens);

      expect(before).toBe(20_000);
      expect({ imported, stored: await storedOf(format) }).toEqual({ imported: TOKENS - before, stored: TOKENS });
      const [first, second] = await test.dataSource.query<[{ raw: string }, { raw: string }]>(
        `SELECT ${raw} AS raw FROM unnest(ARRAY[1, ${TOKENS}]) AS n`,
      );
      for (const adapter of ADAPTERS) {
        const node = await startTestApp({ ...options, adapter, databaseUrl: test.databaseUrl });
        const send = async (token: string) =>
          (await fetch(`${node.url}/notes`, { headers: { authorization: `${authorization} ${token}` } })).status;

        expect(await send(second.raw)).toBe(200);
        if (adapter === 'fastify') await test.tokens.revoke((await test.tokens.verify(first.raw)).id);
        expect(await send(first.raw)).toBe(adapter === 'fastify' ? 401 : 200);
        await node.close();
      }
      const listed = await listedOf(format);
      expect(listed.size).toBe(TOKENS);
      const samples = await test.dataSource.query<{ raw: string }[]>(
        `SELECT ${raw} AS raw FROM generate_series(2, ${TOKENS}, ${TOKENS / ROTATED}) AS n`,
      );
      expect(samples).toHaveLength(ROTATED);
      for (const sample of samples) {
        const { id, ownerId } = await test.tokens.verify(sample.raw);
        expect(listed).toContain(id);

        const { rawToken } = await test.tokens.rotate(id);

        expect(await test.tokens.verify(rawToken)).toMatchObject({ ownerId, prefix: 'sigra_sk_' });
        await expect(test.tokens.verify(sample.raw)).rejects.toMatchObject({ code: 'token_revoked' });
      }
    },
    300_000,
  );
});
