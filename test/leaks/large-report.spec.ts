import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LeakScanner, hashOf } from '../support/leak-scanner.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { unknownToken } from '../support/unknown-token.js';

/** The most entries of a report. */
const TOKENS = 10_000;
const OWNERS = 200;

describe(`A report of ${TOKENS} living tokens`, () => {
  let scanner: LeakScanner;
  let test: TestApp;

  beforeAll(async () => {
    scanner = await LeakScanner.start();
    test = await startTestApp({
      sigra: { controllers: { leaks: 'leaks' }, leaks: { keysUrl: scanner.keysUrl } },
    });
  });
  afterAll(async () => {
    await test.close();
    await scanner.close();
  });

  it('ends all of them, each with one audit row, also when it is sent twice', async () => {
    const rawTokens = Array.from({ length: TOKENS }, () => unknownToken());
    await test.dataSource.query(
      `INSERT INTO sigra_api_tokens (id, owner_type, owner_id, token_epoch, name, prefix, hint, token_hash, scopes, created_at)
       SELECT gen_random_uuid(), 'user', 'owner ' || n % $1, 0, 'leaked', 'sigra_sk_', 'abcd', decode(hash, 'hex'), '{admin}', now()
       FROM unnest($2::text[]) WITH ORDINALITY AS leaked(hash, n)`,
      [OWNERS, rawTokens.map(hashOf)],
    );
    await test.dataSource.query('ANALYZE sigra_api_tokens');
    const entries = rawTokens.map((token) => ({
      token,
      type: 'acme_token',
      url: 'https://example.com',
      source: 'content',
    }));

    const first = await scanner.report(`${test.url}/leaks`, entries);
    const verdicts = (await first.json()) as { label: string }[];
    const second = await scanner.report(`${test.url}/leaks`, entries);

    expect([first.status, second.status]).toEqual([200, 200]);
    expect(verdicts.filter(({ label }) => label === 'true_positive')).toHaveLength(TOKENS);
    const [counts] = await test.dataSource.query<object[]>(
      `SELECT (SELECT count(*)::int FROM sigra_api_tokens WHERE revoke_reason = 'leaked') AS ended,
         (SELECT count(*)::int FROM sigra_audit_events WHERE action = 'api.token_revoke') AS rows,
         (SELECT count(DISTINCT target_id)::int FROM sigra_audit_events WHERE action = 'api.token_revoke') AS targets`,
    );
    expect(counts).toEqual({ ended: TOKENS, rows: TOKENS, targets: TOKENS });
  }, 600_000);
});
