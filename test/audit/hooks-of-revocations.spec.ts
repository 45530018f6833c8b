import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ApiTokenAdminService, CredentialService, type IssuedApiToken, ownerRef } from 'nestjs-sigra';
import { CredentialSweeper } from '../../libs/sigra/src/owners/credential.sweeper.js';
import { HookCalls } from '../support/hook-calls.js';
import { closeJwtApps } from '../support/jwt-app.js';
import { LeakScanner } from '../support/leak-scanner.js';
import { OAUTH_CONTROLLERS, type OAuthApp, startOAuthApp } from '../support/oauth-app.js';
import { refusalOf } from '../support/refusal.js';

const REQUEST = { name: 'CI', scopes: ['read:notes', 'api_tokens:write'] };
const ROBOTS = { findByIds: (ids: readonly string[]) => Promise.resolve(ids.map((id) => ({ id }))) };

describe('Hooks of revocations', () => {
  let calls: HookCalls;
  let scanner: LeakScanner;
  let test: OAuthApp;
  let maker: IssuedApiToken;
  let made: string;

  beforeEach(async () => {
    calls = new HookCalls();
    scanner = await LeakScanner.start();
    test = await startOAuthApp(
      {},
      {
        sigra: {
          hooks: calls.hooks,
          controllers: { ...OAUTH_CONTROLLERS, leaks: 'leaks' },
          leaks: { keysUrl: scanner.keysUrl },
          owners: { robot: { provider: ROBOTS } },
        },
      },
    );
    maker = await test.tokens.create(test.user, REQUEST);
    made = await madeBy(maker);
    calls.take();
  });
  afterEach(async () => {
    await closeJwtApps();
    await scanner.close();
  });

  /** The id of a token that another one makes over HTTP. */
  const madeBy = async ({ rawToken }: IssuedApiToken): Promise<string> => {
    const answer = await fetch(`${test.url}/api/tokens`, {
      method: 'POST',
      headers: { authorization: `Bearer ${rawToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'made', scopes: ['read:notes'] }),
    });
    return ((await answer.json()) as IssuedApiToken).token.id;
  };
  const revoked = (...ids: string[]) => ids.map((id) => ['onTokenRevoked', 'api.token_revoke', id]);

  it('are called for each token that a filter matches, and for what it made', async () => {
    const { token: other } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });
    calls.take();

    const admin = test.get(ApiTokenAdminService);
    await admin.revokeMatching({ name: 'ci' }, (await admin.previewMatching({ name: 'ci' })).digest);

    expect(calls.take()).toEqual(revoked(maker.token.id, other.id, made));
  });

  it('are called once for a token that is reported as leaked twice, and for what it made', async () => {
    const report = [{ token: maker.rawToken, type: 'acme_token', url: 'https://example.com', source: 'content' }];

    const answers = [];
    for (let time = 0; time < 2; time++) answers.push((await scanner.report(`${test.url}/leaks`, report)).status);

    expect(answers).toEqual([200, 200]);
    expect(calls.all.map(([, { metadata }]) => metadata.reason)).toEqual(['leaked', 'made_by_revoked']);
    expect(calls.take()).toEqual(revoked(maker.token.id, made));
  });

  it('are called once for a token that is revoked at the OAuth endpoint twice, and for what it made', async () => {
    for (let time = 0; time < 2; time++) await test.post('revoke', { token: maker.rawToken });

    expect(calls.take()).toEqual(revoked(maker.token.id, made));
  });

  it('are called for the lock-out of the owner of tokens, of each type, and not for each of the tokens', async () => {
    const robot = ownerRef('robot', test.user.id);
    const ofRobot = await test.tokens.create(robot, REQUEST);
    calls.take();
    const credentials = test.get(CredentialService);

    await credentials.lockOut(robot);
    const ofUser = await test.tokens.verify(maker.rawToken);
    await credentials.lockOut(test.user);

    expect(ofUser.id).toBe(maker.token.id);
    expect(await refusalOf(test.tokens.verify(ofRobot.rawToken, {}, { owners: ['robot'] }))).toBe('token_revoked');
    expect(calls.all.map(([hook, { targetType, targetId }]) => [hook, targetType, targetId])).toEqual([
      ['onLockedOut', 'robot', test.user.id],
      ['onLockedOut', 'user', test.user.id],
    ]);
  });

  it('are called once for each token that a revoked one made, also for those that a sweep revokes later', async () => {
    await test.dataSource.query(
      `INSERT INTO sigra_api_tokens (id, owner_type, owner_id, token_epoch, name, prefix, hint, token_hash, scopes,
         made_by_token_id, descends_from, created_at)
       SELECT gen_random_uuid(), 'user', $1, 0, 'CI', 'sigra_sk_', 'abcd', sha256(gen_random_uuid()::text::bytea), '{*}',
         $2, ARRAY[$2::uuid], $3::timestamptz FROM generate_series(1, 2499) AS n`,
      [test.user.id, maker.token.id, test.clock.now()],
    );

    await test.tokens.revoke(maker.token.id);
    await test.get(CredentialSweeper).drain();

    const ids = calls.all.map(([, { targetId }]) => targetId);
    expect(ids).toHaveLength(2501);
    expect(new Set(ids).size).toBe(2501);
    expect(new Set(calls.take().map(([hook, action]) => `${hook} ${action}`))).toEqual(
      new Set(['onTokenRevoked api.token_revoke']),
    );
  });
});
