import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { demo, pick, root, run, ScratchApp, tarball, workspace } from './scratch-app.js';

const hosts = [
  {
    host: 'Nest 12 and TypeORM 1 as ES modules',
    type: 'module',
    dependencies: pick(demo.dependencies, [
      '@nestjs/common',
      '@nestjs/core',
      '@nestjs/passport',
      '@nestjs/platform-express',
      '@nestjs/typeorm',
      'passport',
      'pg',
      'reflect-metadata',
      'rxjs',
      'typeorm',
    ]),
    optional: pick(workspace.devDependencies, ['@nestjs/terminus', '@nestjs/throttler', '@opentelemetry/api', 'jose']),
    typescript: workspace.devDependencies.typescript!,
    resolution: ['--module', 'esnext', '--moduleResolution', 'bundler'],
  },
  {
    // The output of `nest new` before Nest 12, which loads the library with require().
    host: 'Nest 11 and the oldest TypeORM 0.3 as CommonJS',
    type: 'commonjs',
    dependencies: {
      '@nestjs/common': '11.2.10',
      '@nestjs/core': '11.2.10',
      '@nestjs/passport': '11.0.5',
      '@nestjs/platform-express': '11.2.10',
      '@nestjs/typeorm': '11.0.3',
      passport: '0.7.0',
      pg: '8.11.0',
      'reflect-metadata': '0.2.2',
      rxjs: '7.8.2',
      typeorm: '0.3.20',
    },
    optional: {
      '@nestjs/terminus': '11.0.0',
      '@nestjs/throttler': '6.7.1',
      '@opentelemetry/api': '1.9.0',
      jose: '5.10.0',
    },
    typescript: '5.9.3',
    resolution: ['--module', 'commonjs', '--moduleResolution', 'node10'],
  },
];

/** The entries of the package that need nothing but the packages above. */
const ENTRIES = [
  'nestjs-sigra',
  ...['testing', 'issuers', 'opentelemetry', 'terminus', 'throttler'].map((name) => `nestjs-sigra/${name}`),
];

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
      files.filter(
        (file) =>
          !/^package\/(dist\/.*\.(js|d\.ts|js\.map)|dist\/cjs\/package.json|docs\/[a-z-]+\.(md|json)|schematics\/[a-z.-]+\.json|[^/]+)$/.test(
            file,
          ),
      ),
    ).toEqual([]);
    expect(files.filter((file) => file.includes('.spec.'))).toEqual([]);
  });

  it('keeps its doc comments', async () => {
    const types = await run(root, 'tar', ['-xzOf', tarball, 'package/dist/tokens/api-token.service.d.ts']);

    expect(types).toContain('@throws SigraError');
  });

  it('resolves with types in every mode of module resolution', async () => {
    const problems = await run(root, join(root, 'node_modules/.bin/attw'), [
      tarball,
      '--format',
      'ascii',
      '--no-emoji',
    ]);

    expect(problems).toContain('No problems found');
  });

  it('has a manifest without mistakes', async () => {
    const report = await run(root, join(root, 'node_modules/.bin/publint'), [tarball, '--strict']);

    expect(report).toContain('All good!');
  });
});

describe.each(hosts)('the packed library under $host', ({ type, dependencies, optional, typescript, resolution }) => {
  let app: ScratchApp;
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createDatabase();
    app = await ScratchApp.create(
      {
        type,
        dependencies: { ...dependencies, ...optional },
        devDependencies: {
          typescript,
          ...pick(workspace.devDependencies, ['@types/express', '@types/node']),
          // Required by the types of @nestjs/passport.
          '@types/passport': '1.0.17',
        },
      },
      ['strict-host'],
      {
        'tsconfig.json': {
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
        },
        'identity.cjs': `
          const paths = ${JSON.stringify(ENTRIES)};
          const required = paths.map((path) => require(path));
          Promise.all(paths.map((path) => import(path))).then((imported) => {
            const names = imported.map((module, index) =>
              Object.keys(module).filter((name) => module[name] === required[index][name]).length);
            const same = names.map((count, index) => count === Object.keys(imported[index]).length);
            console.log(JSON.stringify(paths.filter((path, index) => same[index])));
          });`,
      },
    );
  });

  afterAll(async () => {
    await database.drop();
    await app.remove();
  });

  it('compiles in a strict host, accepts a token, and refuses it after revocation', async () => {
    await app.bin('tsc');

    const report = await app.run(process.execPath, ['dist/main.js'], { DATABASE_URL: database.url });

    const refusal = { statusCode: 401, error: 'invalid_token', message: expect.any(String) };
    expect(JSON.parse(report.trim().split('\n').at(-1)!)).toEqual({
      anonymous: { status: 401, challenge: 'Bearer realm="api"', body: expect.objectContaining({ statusCode: 401 }) },
      accepted: { status: 200, challenge: null, body: { email: 'ada@example.com', method: 'api_token' } },
      refused: { status: 401, challenge: expect.stringContaining('error="invalid_token"'), body: refusal },
      code: 'token_revoked',
      clock: '1970-01-01T00:01:00.000Z',
    });
  });

  it(`compiles with ${resolution.join(' ')}`, async () => {
    await expect(app.bin('tsc', ['--noEmit', ...resolution])).resolves.toBe('');
  });

  it.each(['20', '22', '24', '26'])('compiles with the types of Node %s', async (version) => {
    await app.run('npm', [
      'install',
      '--no-save',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      `@types/node@^${version}`,
    ]);

    await expect(app.bin('tsc', ['--noEmit'])).resolves.toBe('');
  });

  it('has each class once, whether it is imported or required', async () => {
    const same = await app.run(process.execPath, ['identity.cjs']);

    expect(JSON.parse(same)).toEqual(ENTRIES);
  });
});
