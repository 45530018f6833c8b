import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('a host that lets TypeORM synchronise its schema', () => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test.close());

  it('keeps the indexes and constraints that only the migrations make', async () => {
    const changes = await test.dataSource.driver.createSchemaBuilder().log();

    const touched = changes.upQueries.map(({ query }) => query).filter((query) => query.includes('sigra_'));
    expect(touched).toEqual([]);
  });
});
