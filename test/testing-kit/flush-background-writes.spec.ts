import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiTokenEntity } from 'nestjs-sigra';
import { bearer, createApiToken, flushBackgroundWrites } from 'nestjs-sigra/testing';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('flushBackgroundWrites', () => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test.close());

  it('writes the last use of a token to the database at once', async () => {
    const { rawToken, token } = await createApiToken(test.app, test.user);
    await fetch(`${test.url}/notes`, { headers: bearer(rawToken) });

    await flushBackgroundWrites(test.app);

    const row = await test.dataSource.getRepository(ApiTokenEntity).findOneByOrFail({ id: token.id });
    expect(row).toMatchObject({ lastUsedAt: test.clock.now(), lastUsedIp: '127.0.0.1' });
  });
});
