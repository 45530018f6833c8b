import base, { slowTests } from '../jest.config.js';

/** `npm run test:slow` */
// Their time depends on the machine, and decides nothing.
export default { ...base, rootDir: '..', testMatch: slowTests, testTimeout: 120_000 };
