import base from '../../jest.config.js';

/** `npm run test:package`: a separate run, because it installs from the npm registry. */
export default {
  ...base,
  rootDir: '../..',
  testMatch: ['<rootDir>/test/packaging/**/*.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 300_000,
};
