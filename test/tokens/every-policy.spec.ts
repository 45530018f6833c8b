import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { QueryLog } from '../support/query-log.js';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const DAY = 86_400;
const HOME = '192.0.2.7';

describe('A token with a kind, addresses, resources, idle expiry and counted requests', () => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp({
      sigra: {
        apiTokens: {
          scopes: ['read:notes'],
          kinds: { live: { prefix: 'live_', scopes: ['read:*'] }, test: { prefix: 'test_' } },
          idleTtl: 30 * DAY,
          maxTtl: 90 * DAY,
          enforceOnExisting: true,
          usage: { enabled: true },
        },
      },
    });
  });
  afterAll(() => test.close());

  it('is verified with one query and no write', async () => {
    const { rawToken } = await test.tokens.create(test.user, {
      name: 'CI',
      kind: 'live',
      scopes: ['read:notes'],
      allowedIps: ['192.0.2.0/24', '2001:db8::/32'],
      resources: ['project:42'],
      metadata: { team: 'payments' },
      expiresAt: new Date(test.clock.now().getTime() + DAY * 1000),
    });
    const log = QueryLog.of(test.dataSource);

    const verified = await test.tokens.verify(rawToken, { ipAddress: HOME });
    const refused = await refusalOf(test.tokens.verify(rawToken, { ipAddress: '198.51.100.1' }));

    expect([verified.kind, refused]).toEqual(['live', 'invalid_token']);
    expect(verified.metadata).toEqual({ team: 'payments' });
    expect(log.queries).toHaveLength(2);
    expect(log.matching(/INSERT|UPDATE|DELETE/i)).toEqual([]);
  });
});
