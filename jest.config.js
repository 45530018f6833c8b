import { sources } from './tools/typescript/sources.js';
import { swcOptions } from './tools/typescript/swc-options.js';

/** They start processes, wait for timeouts or write very many rows: `npm run test:slow`, while `npm test` runs the others. */
export const slowTests = [
  '**/test/demo/**/*.spec.ts',
  '**/test/faults/**/*.spec.ts',
  '**/test/races/**/*.spec.ts',
  '**/test/replicas/**/*.spec.ts',
  '**/test/*/*races*.spec.ts',
  '**/test/hostile/fuzz.spec.ts',
  '**/test/import/large-import.spec.ts',
  '**/test/leaks/large-report.spec.ts',
  '**/test/maintenance/former-owners.spec.ts',
  '**/test/oauth/clients/**/*.spec.ts',
  '**/test/owners/{large-lineage,model,two-processes}.spec.ts',
  '**/test/persistence/{host-tools,migration-rules,query-plans}.spec.ts',
  '**/tools/local-postgres/test/**/*.spec.ts',
];

/** All tests but those with a configuration of their own, for `npx jest FILE`. @type {import('jest').Config} */
export default {
  // Load each module once for each worker, with Node's loader.
  runtime: '<rootDir>/tools/jest/runtime.js',
  testEnvironment: '<rootDir>/tools/jest/environment.js',
  testMatch: [
    '<rootDir>/libs/*/src/**/*.spec.ts',
    '<rootDir>/apps/*/src/**/*.spec.ts',
    '<rootDir>/tools/*/test/**/*.spec.ts',
    '<rootDir>/test/**/*.spec.ts',
  ],
  // npm run test:browser, npm run test:faults, npm run test:package
  testPathIgnorePatterns: [
    '/node_modules/',
    '<rootDir>/test/browser/',
    '<rootDir>/test/fault-injection/',
    '<rootDir>/test/packaging/',
  ],
  globalSetup: '<rootDir>/test/support/global-setup.js',
  globalTeardown: '<rootDir>/test/support/global-teardown.js',
  // For --watch and --findRelatedTests, which follow the imports without the loader.
  moduleNameMapper: {
    ...Object.fromEntries(Object.entries(sources).map(([name, path]) => [`^${name}$`, path])),
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  transform: { '^.+\\.ts$': ['@swc/jest', swcOptions] },
  collectCoverageFrom: ['libs/sigra/src/**/*.ts', '!**/*.spec.ts'],
  // The v8 provider counts doc comments as covered lines and files of types as uncovered ones.
  coverageProvider: 'babel',
  coverageDirectory: 'coverage',
  testTimeout: 30_000,
  maxWorkers: 2,
  // A worker never frees the modules of the spec files that it has run.
  workerIdleMemoryLimit: '1GB',
  // In milliseconds. Nothing keeps a worker alive, but the end of its threads and its heap takes time on a busy machine.
  workerGracefulExitTimeout: 10_000,
};
