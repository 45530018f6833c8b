import base, { slowTests } from '../jest.config.js';

/** `npm test`: what a change of the library should be tried with often. */
export default {
  ...base,
  rootDir: '..',
  testMatch: [...base.testMatch, ...slowTests.map((glob) => `!${glob}`)],
};
