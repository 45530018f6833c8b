import base from '../../jest.config.js';

/** `npm run test:faults`: apart from the others, because each spec has a database server and the machine for itself. */
export default {
  ...base,
  rootDir: '../..',
  testMatch: ['<rootDir>/test/fault-injection/**/*.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  maxWorkers: 1,
};
