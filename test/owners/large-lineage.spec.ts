import { mock } from 'node:test';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { IssuedApiToken } from 'nestjs-sigra';
import { CredentialSweeper } from '../../libs/sigra/src/owners/credential.sweeper.js';
import { eventually } from '../support/eventually.js';
import { closeJwtApps, familyIdOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { refusalOf } from '../support/refusal.js';
import { type JsonAnswer, TokenClient } from '../support/token-client.js';

const REQUEST = { name: 'CI', scopes: ['*'] };
/** Three transactions, each of a thousand. */
const CHILDREN = 2_500;

describe('A credential that made more than a transaction can revoke', () => {
  let test: JwtApp;
  let maker: IssuedApiToken;

  beforeEach(async () => {
    test = await startJwtApp({}, { sigra: { apiTokens: { scopes: ['read:notes'], maxActivePerOwner: 100_000 } } });
    maker = await test.tokens.create(test.user, REQUEST);
  });
  afterEach(closeJwtApps);

  /** Inserts tokens as the maker would make them. Each expires a second before the one before. */
  const putMade = async (column: 'made_by_token_id' | 'made_by_family_id', makerId: string, count = CHILDREN) =>
    test.dataSource.query<object[]>(
      `INSERT INTO sigra_api_tokens (id, owner_type, owner_id, token_epoch, name, prefix, hint, token_hash, scopes,
         ${column}, descends_from, expires_at, created_at)
       SELECT gen_random_uuid(), 'user', $1, 0, 'CI', 'sigra_sk_', 'abcd', sha256(gen_random_uuid()::text::bytea), '{*}',
         $2, ARRAY[$2::uuid], $3::timestamptz + make_interval(secs => 100000 - n), $3
       FROM generate_series(1, $4::int) AS n`,
      [test.user.id, makerId, test.clock.now(), count],
    );
  const living = async (condition = 'true'): Promise<number> => {
    const [{ count }] = await test.dataSource.query<[{ count: number }]>(
      `SELECT count(*)::int AS count FROM sigra_api_tokens t WHERE revoked_at IS NULL AND ${condition}`,
    );
    return count;
  };
  const made = 'coalesce(made_by_token_id, made_by_family_id) IS NOT NULL';
  const isDone = async () => (await test.dataSource.query<object[]>('SELECT FROM sigra_sweeps')).length === 0;
  /** Of the tokens that were made: how many have how many audit rows. */
  const audited = () =>
    test.dataSource.query<object[]>(
      `SELECT events, count(*)::int AS tokens FROM (
         SELECT t.id, (SELECT count(*)::int FROM sigra_audit_events e WHERE e.target_id = t.id::text
           AND e.action = 'api.token_revoke' AND e.metadata ->> 'reason' = 'made_by_revoked') AS events
         FROM sigra_api_tokens t WHERE ${made}) AS counted GROUP BY events`,
    );

  it('ends at once, with what is valid; the rest ends in the background, with an audit row each', async () => {
    await putMade('made_by_token_id', maker.token.id);
    const expired = `id IN (SELECT id FROM sigra_api_tokens WHERE ${made} ORDER BY expires_at DESC LIMIT ${CHILDREN - 500})`;
    await test.dataSource.query(`UPDATE sigra_api_tokens SET expires_at = $1 WHERE ${expired}`, [test.clock.now()]);

    await test.tokens.revoke(maker.token.id);

    expect(await refusalOf(test.tokens.verify(maker.rawToken))).toBe('token_revoked');
    expect(await living(`${made} AND expires_at > '${test.clock.now().toISOString()}'`)).toBe(0);
    await eventually(isDone);
    expect(await living()).toBe(0);
    expect(await audited()).toEqual([{ events: 1, tokens: CHILDREN }]);
  });

  it('ends a chain of 64 generations, and no longer one is made', async () => {
    const chain = [maker.rawToken];
    let answer: JsonAnswer;
    do {
      answer = await TokenClient.withToken(test, chain.at(-1)!).create({ name: 'made', scopes: ['*'] });
      if (answer.status === 201) chain.push(answer.body.rawToken);
    } while (answer.status === 201);

    await test.tokens.revoke(maker.token.id);

    expect([answer.status, answer.body.error]).toEqual([409, 'too_many_makers']);
    expect(chain).toHaveLength(65);
    expect(await living()).toBe(0);
    expect(await audited()).toEqual([{ events: 1, tokens: 64 }]);
  });

  it('ends when the reuse of a refresh token is detected', async () => {
    const pair = await test.jwt.generateTokens(test.user, ['*']);
    await putMade('made_by_family_id', familyIdOf(pair));
    await test.jwt.refresh(pair.refreshToken);

    expect(await refusalOf(test.jwt.refresh(pair.refreshToken))).toBe('reuse_detected');

    await eventually(isDone);
    expect(await living()).toBe(1);
    expect(await audited()).toEqual([{ events: 1, tokens: CHILDREN }]);
  });

  it('is revoked by revokeAll of its owner, together with what it made for others', async () => {
    await putMade('made_by_token_id', maker.token.id);
    const grace = await test.addUser('grace@example.com');
    await test.dataSource.query(`UPDATE sigra_api_tokens SET owner_id = $1 WHERE ${made}`, [grace.id]);

    expect(await test.tokens.revokeAll(test.user)).toBe(1);

    await eventually(isDone);
    expect(await living()).toBe(0);
    expect(await audited()).toEqual([{ events: 1, tokens: CHILDREN }]);
  });

  it('is rotated without a write to what it made, which ends with the successor and not with the old token', async () => {
    await putMade('made_by_token_id', maker.token.id);
    const versions = () =>
      test.dataSource.query<object[]>(`SELECT DISTINCT xmin::text FROM sigra_api_tokens WHERE ${made}`);
    const before = await versions();

    const successor = await test.tokens.rotate(maker.token.id, { graceSeconds: 60 });
    const third = await test.tokens.rotate(successor.token.id);
    await test.tokens.revoke(maker.token.id);

    expect(await versions()).toEqual(before);
    expect(await living(made)).toBe(CHILDREN);
    await test.tokens.revoke(third.token.id);
    await eventually(isDone);
    expect(await living()).toBe(0);
  });

  it('names the first token of the rotations as the maker of what the last one made', async () => {
    const second = await test.tokens.rotate(maker.token.id);
    const third = await test.tokens.rotate(second.token.id);

    const child = await TokenClient.withToken(test, third.rawToken).create({ name: 'made', scopes: ['read:notes'] });

    expect(third.token.originId).toBe(maker.token.id);
    expect(child.body.token.madeBy).toEqual({ type: 'api_token', id: maker.token.id });
    await test.tokens.revoke(third.token.id);
    expect(await refusalOf(test.tokens.verify(child.body.rawToken))).toBe('token_revoked');
  });

  it('does not wait for the sweep of another owner that fails, which is tried again', async () => {
    const grace = await test.addUser('grace@example.com');
    const hers = await test.tokens.create(grace, REQUEST);
    const family = await test.jwt.generateTokens(grace, ['*']);
    await putMade('made_by_family_id', familyIdOf(family));
    await test.dataSource.query(`UPDATE sigra_api_tokens SET owner_id = $1 WHERE ${made}`, [grace.id]);
    await test.dataSource.query(`
      CREATE FUNCTION refuse_first() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;
      CREATE TRIGGER refuse_first BEFORE UPDATE ON sigra_api_tokens
        FOR EACH ROW WHEN (old.owner_id = '${test.user.id}') EXECUTE FUNCTION refuse_first()`);
    await test.tokens.revokeAll(test.user);
    await test.jwt.refresh(family.refreshToken);

    expect(await refusalOf(test.jwt.refresh(family.refreshToken))).toBe('reuse_detected');

    await eventually(async () => (await living(made)) === 0);
    expect((await test.tokens.verify(hers.rawToken)).id).toBe(hers.token.id);
    expect(await isDone()).toBe(false);
    await test.dataSource.query('DROP TRIGGER refuse_first ON sigra_api_tokens');
    await test.get(CredentialSweeper).drain();
    expect(await isDone()).toBe(true);
  });

  it('is finished by any node within a minute', async () => {
    mock.timers.enable({ apis: ['setInterval'] });
    try {
      const other = await startJwtApp({}, { databaseUrl: test.databaseUrl, clock: test.clock });
      await putMade('made_by_token_id', maker.token.id);
      // What a node that is killed right after the commit leaves.
      await test.dataSource.query(
        `INSERT INTO sigra_sweeps (id, owner_type, owner_id, task, maker_id, token_epoch, family_epoch, requested_at)
         VALUES (gen_random_uuid(), 'user', $1, 'revoke_made', $2, 0, 0, $3)`,
        [test.user.id, maker.token.id, test.clock.now()],
      );

      mock.timers.tick(60_000);

      await eventually(isDone);
      expect(await living(made)).toBe(0);
      await other.close();
    } finally {
      mock.timers.reset();
    }
  });
});
