import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { demo, pick, ScratchApp, workspace } from './scratch-app.js';

/**
 * Leaves the packages of a server outside, but not the library. `separate` takes one form for import and another for
 * require().
 */
const BUILD = `
  const webpack = require('webpack');
  const separate = { esm: { conditionNames: ['import', 'node'] }, commonjs: { conditionNames: ['require', 'node'] } };
  const outside = ({ request }, done) =>
    /^[.]|^nestjs-sigra|^[/]/.test(request) ? done() : done(null, 'node-commonjs ' + request);
  const bundle = (name, byDependency) => ({
    mode: 'none',
    target: 'node',
    entry: './dist/main.mjs',
    output: { path: __dirname, filename: name },
    externals: [outside],
    resolve: { byDependency },
  });
  webpack([bundle('default.cjs'), bundle('separate.cjs', separate)], (error, result) => {
    if (error || result.hasErrors()) throw error ?? new Error(result.toString());
  });`;

describe('a bundle of webpack with a part that imports the library and one that requires it', () => {
  let app: ScratchApp;
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createDatabase();
    app = await ScratchApp.create(
      {
        type: 'commonjs',
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
        devDependencies: { ...pick(workspace.devDependencies, ['@types/node', 'typescript']), webpack: '5.106.2' },
      },
      ['hosts/bundled'],
      {
        'tsconfig.json': {
          compilerOptions: {
            target: 'ES2022',
            module: 'NodeNext',
            strict: true,
            skipLibCheck: true,
            types: ['node'],
            experimentalDecorators: true,
            emitDecoratorMetadata: true,
            rootDir: 'src',
            outDir: 'dist',
          },
          include: ['src'],
        },
        'build.cjs': BUILD,
      },
    );
    await app.bin('tsc');
    await app.run(process.execPath, ['build.cjs']);
  });
  afterAll(async () => {
    await database.drop();
    await app.remove();
  });

  const start = async (bundle: string, uses = ''): Promise<unknown> => {
    const output = await app.run(process.execPath, [bundle], { DATABASE_URL: database.url, USES: uses });
    return JSON.parse(output.trim().split('\n').at(-1)!);
  };
  const ENFORCED = {
    answers: [
      { status: 200, body: { method: 'api_token' } },
      { status: 403, body: expect.objectContaining({ error: 'insufficient_scope', missing: ['write:projects'] }) },
    ],
    recognized: [true, true],
    // Both copies know the same principal.
    keys: 1,
  };

  it.each(['', 'guard', 'service'])('has one copy of the library (uses: "%s")', async (uses) => {
    expect(await start('default.cjs', uses)).toEqual({ copies: 1, ...ENFORCED });
  });

  it('enforces the decorators of a second copy', async () => {
    expect(await start('separate.cjs')).toEqual({ copies: 2, ...ENFORCED });
  });

  it.each([
    ['guard', 'SIGRA_CONFIG|Authenticator'],
    ['service', 'ApiTokenService'],
  ])('does not boot with a %s of a second copy, and names the remedy', async (uses, token) => {
    const { refused } = (await start('separate.cjs', uses)) as { refused: string };

    expect(refused).toMatch(new RegExp(`^sigra: .*(?:${token}).* comes from another copy of nestjs-sigra`));
    expect(refused).toContain('npm ls nestjs-sigra');
  });
});
