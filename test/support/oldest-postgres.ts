/** Whether the server of this run is the oldest supported version: see `test/oldest.config.js`. */
export const isOldestPostgres = process.env.SIGRA_TEST_POSTGRES !== undefined;
