import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import openapiTS, { astToString, type OpenAPI3 } from 'openapi-typescript';
import { DEMO_TIMEOUT, type Demo, startDemo } from '../support/demo.js';
import { AnswerCheck, type ClientAnswer, type OpenApiDocument } from '../support/openapi-answers.js';
import { ADAPTERS } from '../support/test-app.js';
import { unknownToken } from '../support/unknown-token.js';
import { jsonOf } from '../support/visitor.js';

jest.setTimeout(DEMO_TIMEOUT * 3);

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

/** What a user writes with the generated types. A mistake in a name or a type does not compile. */
const CLIENT = `
import createClient from 'openapi-fetch';
import type { paths } from './schema.js';

const answers: object[] = [];
const client = createClient<paths>({
  baseUrl: process.env.API_URL!,
  headers: { Authorization: 'Bearer ' + process.env.API_TOKEN },
});
client.use({
  async onResponse({ request, response, schemaPath }) {
    const text = await response.clone().text();
    const body: unknown = text === '' ? undefined : JSON.parse(text);
    answers.push({ method: request.method, path: schemaPath, status: response.status, body });
  },
});

const { data: made } = await client.POST('/api/tokens', { body: { name: 'CI', scopes: ['read:projects'] } });
const { id } = made!.token;
const { data: page } = await client.GET('/api/tokens', { params: { query: { limit: 100 } } });
const listed: boolean = page!.tokens.some((token) => token.id === id && token.originId === null);
const params = { path: { id } };
const { data: changed } = await client.PATCH('/api/tokens/{id}', { params, body: { name: 'Renamed' } });
const { data: rotated } = await client.POST('/api/tokens/{id}/rotate', { params, body: { graceSeconds: 60 } });
const successor = { path: { id: rotated!.token.id } };
await client.DELETE('/api/tokens/{id}', { params: successor });
const { error: missing } = await client.DELETE('/api/tokens/{id}', { params: { path: { id: crypto.randomUUID() } } });
const { error: again } = await client.POST('/api/tokens/{id}/rotate', { params: successor });
const { error: invalid } = await client.POST('/api/tokens', { body: { name: '', scopes: ['read:projects'] } });
const { error: narrow } = await client.GET('/api/projects', { headers: { Authorization: 'Bearer ' + made!.rawToken } });
await client.GET('/api/projects', { params: { query: {} } });
const codes: (string | undefined)[] = [missing?.error, again?.error, invalid?.error];
await client.GET('/api/admin/tokens', { params: { query: { name: 'CI' } } });
await client.GET('/api/jwt');
await client.GET('/api/scopes');
await client.GET('/api/me');
console.log(JSON.stringify({ answers, listed, name: changed!.token.name, codes, narrow: narrow === undefined }));
`;

const COMPILER = [
  ...['--target', 'es2023', '--module', 'nodenext', '--moduleResolution', 'nodenext', '--types', 'node', '--strict'],
  ...['--skipLibCheck', '--outDir', 'dist', 'client.ts'],
];

describe.each(ADAPTERS)('a client that is generated from the document of the demo on %s', (adapter) => {
  let demo: Demo;
  let document: OpenApiDocument;
  let folder: string;
  let check: AnswerCheck;

  beforeAll(async () => {
    demo = await startDemo({ HTTP_ADAPTER: adapter });
    document = await jsonOf<OpenApiDocument>(fetch(`${demo.url}/docs-json`));
    check = new AnswerCheck(document);
    folder = await mkdtemp(join(tmpdir(), 'sigra-openapi-'));
  });
  afterAll(async () => {
    await demo.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('has a document that is valid', async () => {
    const { valid, errors } = await new Validator().validate({ ...structuredClone(document) });

    expect({ valid, errors }).toEqual({ valid: true, errors: undefined });
  });

  it('compiles, and creates, lists, changes, rotates and revokes a token', async () => {
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    await writeFile(join(folder, 'schema.ts'), astToString(await openapiTS(document as unknown as OpenAPI3)));
    await writeFile(join(folder, 'client.ts'), CLIENT);
    const compiled = await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...COMPILER], {
      cwd: folder,
    }).catch((error: unknown) => error as { stdout: string });
    expect(compiled.stdout).toBe('');

    const { stdout } = await run(process.execPath, ['dist/client.js'], {
      cwd: folder,
      env: { API_URL: demo.url, API_TOKEN: demo.token },
    });

    const report = JSON.parse(stdout) as { answers: ClientAnswer[] };
    expect(report).toMatchObject({
      listed: true,
      name: 'Renamed',
      codes: ['not_found', 'token_revoked', 'name_required'],
    });
    expect(report.answers.map(({ status }) => status)).toEqual([
      201, 200, 200, 201, 204, 404, 409, 400, 200, 200, 403, 403, 200, 200,
    ]);
    expect(report.answers.flatMap((answer) => check.problemsOf(answer))).toEqual([]);
  });

  it.each(['no credential', 'an unknown token', 'two headers', 'a token'])(
    'answers every documented operation as documented: %s',
    async (kind) => {
      const headers: Record<string, [string, string][]> = {
        'no credential': [],
        'an unknown token': [['authorization', `Bearer ${unknownToken()}`]],
        'two headers': [['authorization', 'Bearer a b c']],
        'a token': [['authorization', `Bearer ${demo.token}`]],
      };
      const problems: string[] = [];
      for (const { method, path } of check.operations) {
        // It would end the token of the test.
        if (kind === 'a token' && method === 'DELETE' && !path.includes('{id}')) continue;
        const answer = await fetch(demo.url + path.replace('{id}', '019b76da-a800-7000-8000-000000000001'), {
          method,
          headers: [
            ...headers[kind]!,
            ...(method === 'POST' ? [['content-type', 'application/json'] as [string, string]] : []),
          ],
          ...(method === 'POST' && { body: '{}' }),
        });
        const text = await answer.text();
        const isJson = answer.headers.get('content-type')?.includes('json') === true;
        const body: unknown = text === '' ? undefined : isJson ? JSON.parse(text) : text;
        problems.push(...check.problemsOf({ method, path, status: answer.status, body }));
        const challenged = answer.status === 401 && !path.startsWith('/oauth') && path !== '/session';
        if (challenged && !answer.headers.has('www-authenticate')) problems.push(`${method} ${path}: no challenge`);
      }

      expect(problems).toEqual([]);
    },
  );
});
