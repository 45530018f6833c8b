import base from '../../jest.config.js';

/** `npm run test:package`: a separate run, because it installs from the npm registry. */
export default {
  ...base,
  rootDir: '../..',
  testMatch: ['<rootDir>/test/packaging/**/*.spec.ts'],
  // The tests of the scratch applications run in these.
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/packaging/hosts/'],
  testTimeout: 600_000,
};
