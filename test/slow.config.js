import base, { slowTests } from '../jest.config.js';

/** `npm run test:slow` */
export default { ...base, rootDir: '..', testMatch: slowTests };
