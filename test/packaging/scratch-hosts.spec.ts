import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { EXPECTED } from './hosts/common/flow.js';
import { demo, pick, ScratchApp, workspace } from './scratch-app.js';

/** Applications as `nest new` makes them, each with its own compiler, test runner and versions. */
interface Host {
  readonly host: string;
  readonly project: Project;
  readonly sources: string[];
  readonly dependencies: Record<string, string>;
  /** Names of the clients in `clients.ts`. @default ['http'] */
  readonly transports?: string[];
}

/** A kind of new project: its manifest, and its files at the root. */
interface Project {
  readonly manifest: { dependencies: Record<string, string>; [key: string]: unknown };
  readonly files: Record<string, unknown>;
  /** Whether relative imports name the file that is compiled. */
  readonly namesFiles: boolean;
}

const compilerOptions = {
  module: 'nodenext',
  esModuleInterop: true,
  isolatedModules: true,
  declaration: true,
  emitDecoratorMetadata: true,
  experimentalDecorators: true,
  target: 'ES2023',
  sourceMap: true,
  outDir: './dist',
  rootDir: './src',
  skipLibCheck: true,
  strict: true,
};

const nest11: Project = {
  manifest: {
    dependencies: {
      '@nestjs/common': '11.2.10',
      '@nestjs/core': '11.2.10',
      '@nestjs/passport': '11.0.5',
      '@nestjs/typeorm': '11.0.3',
      passport: '0.7.0',
      pg: '8.11.0',
      'reflect-metadata': '0.2.2',
      rxjs: '7.8.2',
      typeorm: '0.3.20',
    },
    devDependencies: {
      '@nestjs/testing': '11.2.6',
      '@types/jest': '30.0.0',
      ...pick(workspace.devDependencies, ['@types/express', '@types/node', 'jest']),
      'ts-jest': '29.4.15',
      typescript: '5.9.3',
    },
    scripts: { build: 'tsc', test: 'jest' },
    jest: {
      moduleFileExtensions: ['js', 'json', 'ts'],
      rootDir: 'src',
      testRegex: '.*\\.spec\\.ts$',
      transform: { '^.+\\.(t|j)s$': 'ts-jest' },
      testEnvironment: 'node',
    },
  },
  files: { 'tsconfig.json': { compilerOptions: { ...compilerOptions, types: ['node', 'jest'] }, include: ['src'] } },
  namesFiles: false,
};

const nest12: Project = {
  manifest: {
    type: 'module',
    dependencies: pick(demo.dependencies, [
      '@nestjs/common',
      '@nestjs/core',
      '@nestjs/passport',
      '@nestjs/typeorm',
      'passport',
      'pg',
      'reflect-metadata',
      'rxjs',
      'typeorm',
    ]),
    devDependencies: {
      ...pick(workspace.devDependencies, ['@nestjs/testing', '@types/express', '@types/node', 'typescript']),
      vitest: '4.1.12',
    },
    scripts: { build: 'tsc', test: 'vitest run' },
  },
  files: {
    'tsconfig.json': {
      compilerOptions: { ...compilerOptions, types: ['vitest/globals', 'node'] },
      include: ['src'],
    },
    'vitest.config.ts': `
      import { defineConfig } from 'vitest/config';
      export default defineConfig({ test: { globals: true, root: './', include: ['src/**/*.spec.ts'] } });`,
  },
  namesFiles: true,
};

const hosts: Host[] = [
  {
    host: 'Nest 11 and TypeORM 0.3 as CommonJS with Jest, on Express',
    project: nest11,
    sources: ['hosts/common', 'hosts/express'],
    dependencies: { '@nestjs/platform-express': '11.2.10' },
  },
  {
    host: 'Nest 11 and TypeORM 0.3 as CommonJS with Jest, on Fastify',
    project: nest11,
    sources: ['hosts/common', 'hosts/fastify'],
    dependencies: { '@nestjs/platform-fastify': '11.2.8' },
  },
  {
    host: 'Nest 12 and TypeORM 1 as ES modules with Vitest',
    project: nest12,
    sources: ['hosts/common', 'hosts/express'],
    dependencies: pick(demo.dependencies, ['@nestjs/platform-express']),
  },
  {
    host: 'Nest 11 with a scheduler, a throttler, a filter, a pipe, and its own JWTs',
    project: nest11,
    sources: ['hosts/common', 'hosts/express', 'hosts/everything'],
    dependencies: {
      '@nestjs/config': '4.0.4',
      '@nestjs/platform-express': '11.2.10',
      '@nestjs/schedule': '6.1.3',
      '@nestjs/swagger': '11.4.0',
      '@nestjs/terminus': '11.1.1',
      '@nestjs/throttler': '6.7.1',
      '@opentelemetry/api': '1.9.0',
      '@types/passport-jwt': '4.0.1',
      'class-transformer': '0.5.1',
      'class-validator': '0.15.1',
      // The last major that Jest loads with require().
      jose: '5.10.0',
      'passport-jwt': '4.0.1',
    },
  },
  {
    host: 'Nest 12 with GraphQL on Apollo',
    project: nest12,
    sources: ['hosts/common', 'hosts/express', 'hosts/graphql'],
    dependencies: {
      ...pick(demo.dependencies, ['@nestjs/platform-express']),
      ...pick(workspace.devDependencies, [
        '@apollo/server',
        '@as-integrations/express5',
        '@nestjs/apollo',
        '@nestjs/graphql',
        'graphql',
      ]),
    },
    transports: ['graphql'],
  },
  {
    host: 'Nest 11 with a gateway on socket.io and a microservice on TCP',
    project: nest11,
    sources: ['hosts/common', 'hosts/express', 'hosts/messages'],
    dependencies: {
      '@nestjs/microservices': '11.2.6',
      '@nestjs/platform-express': '11.2.10',
      '@nestjs/platform-socket.io': '11.2.6',
      '@nestjs/websockets': '11.2.6',
      ...pick(workspace.devDependencies, ['socket.io-client']),
    },
    transports: ['gateway', 'tcp'],
  },
  {
    host: 'Nest 11 and TypeORM 0.3 as CommonJS with a gateway on ws',
    project: nest11,
    sources: ['hosts/common', 'hosts/express', 'hosts/messages', 'hosts/ws'],
    dependencies: {
      '@nestjs/microservices': '11.2.6',
      '@nestjs/platform-express': '11.2.10',
      '@nestjs/platform-ws': '11.2.6',
      '@nestjs/websockets': '11.2.6',
      ...pick(workspace.devDependencies, ['@types/ws', 'ws']),
    },
    transports: ['gateway'],
  },
];

describe.each(hosts)('$host', ({ project, sources, dependencies, transports = ['http'] }) => {
  let app: ScratchApp;
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createDatabase();
    const manifest = { ...project.manifest, dependencies: { ...project.manifest.dependencies, ...dependencies } };
    app = await ScratchApp.create(manifest, sources, project.files);
    if (!project.namesFiles) await app.rewrite((text) => text.replaceAll(/(from '\.\/[^']+)\.js'/g, "$1'"));
  });

  afterAll(async () => {
    await database.drop();
    await app.remove();
  });

  it('builds, and accepts a token until it is revoked', async () => {
    await app.run('npm', ['run', 'build']);

    const report = await app.run(process.execPath, ['dist/main.js'], { DATABASE_URL: database.url });

    const outcomes = Object.fromEntries(transports.map((transport) => [transport, EXPECTED]));
    expect(JSON.parse(report.trim().split('\n').at(-1)!)).toEqual(outcomes);
  });

  it('passes its own tests', async () => {
    await expect(app.run('npm', ['test'], { DATABASE_URL: database.url })).resolves.toBeDefined();
  });
});
