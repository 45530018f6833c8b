import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ApiTokenService, SystemClock, TokenCleanupService } from 'nestjs-sigra';
import { flushBackgroundWrites } from 'nestjs-sigra/testing';
import { type HostApp, startHost } from '../support/host-app.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('A node whose clock jumps to the year 2099', () => {
  let test: TestApp;
  let host: HostApp;

  beforeAll(async () => {
    test = await startTestApp();
    host = await startHost({
      adapter: 'express',
      databaseUrl: test.databaseUrl,
      sigra: { apiTokens: { scopes: ['read:notes'], activityUpdateThreshold: 0 } },
    });
  });
  afterEach(() => void jest.restoreAllMocks());
  afterAll(async () => {
    await host.close();
    await test.close();
  });

  const jump = () => jest.spyOn(SystemClock.prototype, 'now').mockReturnValue(new Date('2099-01-01'));
  const create = (expiresAt?: Date) =>
    host.app.get(ApiTokenService).create(test.user, { name: 'CI', scopes: ['read:notes'], expiresAt });
  const use = async (rawToken: string, id: string) => {
    await host.app.get(ApiTokenService).verify(rawToken);
    await flushBackgroundWrites(host.app);
    const [row] = await test.dataSource.query<[{ at: Date; late: boolean }]>(
      'SELECT last_used_at AS at, last_used_at > clock_timestamp() AS late FROM sigra_api_tokens WHERE id = $1',
      [id],
    );
    return row;
  };

  it('deletes nothing that lives', async () => {
    const { rawToken } = await create(new Date(Date.now() + 86_400_000));

    jump();
    await host.app.get(TokenCleanupService).cleanupExpiredTokens();
    jest.restoreAllMocks();

    await expect(host.app.get(ApiTokenService).verify(rawToken)).resolves.toMatchObject({ name: 'CI' });
  });

  it('records a last use by the clock of the database', async () => {
    const { rawToken, token } = await create();

    jump();
    const { at, late } = await use(rawToken, token.id);

    expect(at).toBeInstanceOf(Date);
    expect(late).toBe(false);
  });

  it('replaces a last use in the future that was stored before', async () => {
    const { rawToken, token } = await create();
    await test.dataSource.query(`UPDATE sigra_api_tokens SET last_used_at = '2099-01-01' WHERE id = $1`, [token.id]);

    expect((await use(rawToken, token.id)).late).toBe(false);
  });
});
