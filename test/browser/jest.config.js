import base from '../../jest.config.js';

/** `npm run test:browser`: apart from the others, because it needs a Chromium and a Prometheus on the machine. */
export default {
  ...base,
  rootDir: '../..',
  testMatch: ['<rootDir>/test/browser/**/*.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 120_000,
};
