import base from '../jest.config.js';

// Jest's workers inherit the environment.
process.env.SIGRA_TEST_POSTGRES = `postgres-12-${process.platform}-${process.arch}`;

/** `npm run test:oldest`: whatever has SQL of its own, on the oldest supported version of PostgreSQL. */
export default {
  ...base,
  rootDir: '..',
  testMatch: [
    '**/test/{admin,audit,import,jwt,leaks,maintenance,owners,tokens}/**/*.spec.ts',
    '**/test/persistence/{host-tools,migrations,online-migration,prepared-statements,schema-check,user-entities}.spec.ts',
    '**/test/faults/{busy-database,given-up,lost-commit,silence-midway}.spec.ts',
    '**/test/races/**/*.spec.ts',
  ],
  // Plans are read with GENERIC_PLAN, since version 16.
  testPathIgnorePatterns: [...base.testPathIgnorePatterns, '-plans\\.spec\\.ts$'],
  testTimeout: 120_000,
};
