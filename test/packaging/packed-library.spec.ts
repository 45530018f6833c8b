import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDatabase, type TestDatabase } from '../support/database.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Manifest {
  name: string;
  version: string;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}
const manifest = async (path: string): Promise<Manifest> =>
  JSON.parse(await readFile(join(root, path), 'utf8')) as Manifest;

const workspace = await manifest('package.json');
const demo = await manifest('apps/demo/package.json');
const library = await manifest('libs/sigra/package.json');
const tarball = join(root, 'dist', `${library.name}-${library.version}.tgz`);

const pick = (from: Record<string, string>, names: string[]): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, from[name]!]));

const hosts = [
  {
    host: 'Nest 12 and TypeORM 1 as ES modules',
    type: 'module',
    dependencies: pick(demo.dependencies, [
      '@nestjs/common',
      '@nestjs/core',
      '@nestjs/jwt',
      '@nestjs/passport',
      '@nestjs/platform-express',
      '@nestjs/typeorm',
      'passport',
      'pg',
      'reflect-metadata',
      'rxjs',
      'typeorm',
    ]),
    typescript: workspace.devDependencies.typescript!,
  },
  {
    // The output of `nest new` before Nest 12, which loads the library with require().
    host: 'Nest 11 and the oldest TypeORM 0.3 as CommonJS',
    type: 'commonjs',
    dependencies: {
      '@nestjs/common': '11.2.10',
      '@nestjs/core': '11.2.10',
      '@nestjs/jwt': '11.0.2',
      '@nestjs/passport': '11.0.5',
      '@nestjs/platform-express': '11.2.10',
      '@nestjs/typeorm': '11.0.3',
      passport: '0.7.0',
      pg: '8.11.0',
      'reflect-metadata': '0.2.2',
      rxjs: '7.8.2',
      typeorm: '0.3.20',
    },
    typescript: '5.9.3',
  },
];

/** Runs a command outside of the repository, without the npm settings and the NODE_OPTIONS of this run. */
async function run(cwd: string, command: string, args: string[], extra: Record<string, string> = {}): Promise<string> {
  const kept = Object.entries(process.env).filter(([name]) => !/^npm_|^NODE_OPTIONS$|^INIT_CWD$/.test(name));
  try {
    const { stdout } = await promisify(execFile)(command, args, {
      cwd,
      env: { ...Object.fromEntries(kept), ...extra },
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${command} ${args.join(' ')}\n${stdout}\n${stderr}`, { cause: error });
  }
}

describe('the packed library', () => {
  it('contains the files that a user needs and no others', async () => {
    const files = (await run(root, 'tar', ['-tzf', tarball])).trim().split('\n');

    expect(files).toEqual(
      expect.arrayContaining(
        ['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts'].map(
          (file) => `package/${file}`,
        ),
      ),
    );
    expect(files).toEqual(expect.arrayContaining(['package/dist/testing.js', 'package/dist/testing.d.ts']));
    expect(
      files.filter((file) => !/^package\/(dist\/.*\.(js|d\.ts|js\.map)|docs\/[a-z-]+\.md|[^/]+)$/.test(file)),
    ).toEqual([]);
    expect(files.filter((file) => file.includes('.spec.'))).toEqual([]);
  });

  it('keeps its doc comments', async () => {
    const types = await run(root, 'tar', ['-xzOf', tarball, 'package/dist/tokens/api-token.service.d.ts']);

    expect(types).toContain('@throws SigraError');
  });
});

describe.each(hosts)('the packed library under $host', ({ type, dependencies, typescript }) => {
  let app: string;
  let database: TestDatabase;

  beforeAll(async () => {
    app = await mkdtemp(join(tmpdir(), 'sigra-package-'));
    database = await createDatabase();
    await writeFile(
      join(app, 'package.json'),
      JSON.stringify({
        name: 'scratch',
        private: true,
        type,
        dependencies: { ...dependencies, 'nestjs-sigra': `file:${tarball}` },
        devDependencies: {
          typescript,
          ...pick(workspace.devDependencies, ['@types/express', '@types/node']),
          // Required by the types of @nestjs/passport.
          '@types/passport': '1.0.17',
        },
      }),
    );
    await writeFile(
      join(app, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          target: 'ES2022',
          module: 'NodeNext',
          strict: true,
          exactOptionalPropertyTypes: true,
          // Checks the library's declarations too.
          skipLibCheck: false,
          types: ['node'],
          experimentalDecorators: true,
          emitDecoratorMetadata: true,
          rootDir: 'src',
          outDir: 'dist',
        },
        include: ['src'],
      }),
    );
    await cp(join(root, 'test/packaging/scratch-app'), join(app, 'src'), { recursive: true });
    await run(app, 'npm', ['install', '--no-audit', '--no-fund', '--loglevel=error']);
  });

  afterAll(async () => {
    await database.drop();
    await rm(app, { recursive: true, force: true });
  });

  it('compiles in a strict host, accepts a token, and refuses it after revocation', async () => {
    await run(app, 'node_modules/.bin/tsc', []);

    const report = await run(app, process.execPath, ['dist/main.js'], { DATABASE_URL: database.url });

    const refusal = { statusCode: 401, error: 'invalid_token', message: expect.any(String) };
    expect(JSON.parse(report.trim().split('\n').at(-1)!)).toEqual({
      anonymous: { status: 401, challenge: 'Bearer realm="api"', body: expect.objectContaining({ statusCode: 401 }) },
      accepted: { status: 200, challenge: null, body: { email: 'ada@example.com', method: 'api_token' } },
      refused: { status: 401, challenge: expect.stringContaining('error="invalid_token"'), body: refusal },
      code: 'token_revoked',
      clock: '1970-01-01T00:01:00.000Z',
    });
  });
});
