import { scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { CredentialService } from 'nestjs-sigra';
import { secretHashOf } from '../../libs/sigra/src/common/foreign-formats.js';
import { SecretHashRecorder } from '../../libs/sigra/src/tokens/secret-hash.recorder.js';
import { eventually } from '../support/eventually.js';
import { isOldestPostgres } from '../support/oldest-postgres.js';
import { QueryLog } from '../support/query-log.js';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp, type User } from '../support/test-app.js';

const derive = promisify<string, string, number, Buffer>(scrypt);
const slowDigest = (secret: string) => derive(secret, 'salt of the old application', 32);
let made = 0;
const newSecret = () => String(made++).padStart(40, 'a');

describe('A foreign format with rehash', () => {
  let test: TestApp;
  let owner: User;
  /** Secrets that the digest was computed for. */
  const digested: string[] = [];
  let gate: Promise<void> | undefined;
  let [running, mostRunning] = [0, 0];

  const digest = async (secret: string) => {
    digested.push(secret);
    mostRunning = Math.max(mostRunning, ++running);
    await gate;
    running--;
    return slowDigest(secret);
  };
  const start = (rehash: boolean, databaseUrl?: string) =>
    startTestApp({
      sigra: {
        apiTokens: {
          scopes: ['read:notes'],
          foreignFormats: { old: { pattern: /^old_(?<secret>\w{40})$/, digest, rehash } },
        },
      },
      ...(databaseUrl !== undefined && { databaseUrl }),
    });

  beforeAll(async () => {
    test = await start(true);
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    owner = await test.addUser('owner@example.com');
    digested.splice(0);
  });

  const rowOf = async (secret: string) => ({
    format: 'old',
    hash: await slowDigest(secret),
    owner,
    name: 'Old',
    scopes: ['read:notes'],
  });
  const imported = async () => {
    const secret = newSecret();
    await test.tokens.importHashed([await rowOf(secret)]);
    const [token] = (await test.tokens.listActive(owner)).tokens.slice(-1);
    return { secret, raw: `old_${secret}`, id: token!.id };
  };
  const flush = () => test.get(SecretHashRecorder).flush();
  /** An imported token whose first use has been recorded. */
  const used = async () => {
    const token = await imported();
    await test.tokens.verify(token.raw);
    await flush();
    digested.splice(0);
    return token;
  };
  const isRecorded = async (id: string) => {
    const [row] = await test.dataSource.query<{ is: boolean }[]>(
      'SELECT secret_hash IS NOT NULL AS is FROM sigra_api_tokens WHERE id = $1',
      [id],
    );
    return row?.is;
  };

  it('computes the digest for the first use of a token, and later uses cost one query on every node', async () => {
    const { raw, secret, id } = await imported();

    await test.tokens.verify(raw);
    expect(digested).toEqual([secret]);
    await flush();
    const other = await start(true, test.databaseUrl);
    for (const node of [test, other]) {
      const log = QueryLog.of(node.dataSource);
      expect(await node.tokens.verify(raw)).toMatchObject({ id, prefix: 'old:' });
      expect(log.queries).toHaveLength(1);
    }
    await other.close();

    expect(digested).toEqual([secret]);
  });

  it('finds one and many tokens by an index of the fast hashes', async () => {
    const known = [await used(), await used()];
    await test.dataSource.query(
      `INSERT INTO sigra_api_tokens
         (id, owner_type, owner_id, token_epoch, name, prefix, hint, token_hash, secret_hash, scopes, created_at)
       SELECT gen_random_uuid(), 'user', gen_random_uuid()::text, 0, 'Old', 'old:', '', sha256(n::text::bytea),
         CASE WHEN n % 2 = 0 THEN sha256(('s' || n)::bytea) END, '{read:notes}', now()
       FROM generate_series(1, 5000) AS n`,
    );
    await test.dataSource.query('ANALYZE sigra_api_tokens');
    const log = QueryLog.of(test.dataSource);
    await test.tokens.verify(known[0]!.raw);
    await Promise.all(known.map(({ raw }) => test.tokens.verify(raw)));
    const statements = [...log.queries];

    expect(statements).toHaveLength(2);
    for (const { sql, parameters } of statements) {
      const plans = [await test.dataSource.query<object[]>(`EXPLAIN ${sql}`, [...parameters])];
      // Since version 16.
      if (!isOldestPostgres) plans.push(await test.dataSource.query<object[]>(`EXPLAIN (GENERIC_PLAN) ${sql}`));
      for (const plan of plans) expect(JSON.stringify(plan)).toContain('sigra_api_tokens_secret');
    }
  });

  it('costs native tokens nothing', async () => {
    const { rawToken } = await test.tokens.create(owner, { name: 'Native', scopes: ['read:notes'] });
    const log = QueryLog.of(test.dataSource);

    await test.tokens.verify(rawToken);

    expect(log.queries).toHaveLength(1);
    expect(log.matching(/secret_hash/)).toEqual([]);
  });

  it('ends a token for both hashes at once, and records nothing for a token that has ended', async () => {
    const [late, early, all] = [await used(), await imported(), await used()];
    await test.tokens.verify(early.raw);

    await test.tokens.revoke(early.id);
    await test.tokens.revoke(late.id);
    await flush();

    expect(await isRecorded(early.id)).toBe(false);
    for (const { raw } of [late, early]) expect(await refusalOf(test.tokens.verify(raw))).toBe('token_revoked');
    expect(digested).toEqual([early.secret, early.secret]);
    const slow = await start(false, test.databaseUrl);
    for (const { raw } of [late, early]) expect(await refusalOf(slow.tokens.verify(raw))).toBe('token_revoked');
    // On another node, by the epoch of the owner.
    await slow.get(CredentialService).lockOut(owner);
    await slow.close();
    expect(await refusalOf(test.tokens.verify(all.raw))).toBe('token_revoked');
    expect(await refusalOf(test.tokens.verify(late.raw))).toBe('token_revoked');
  });

  it('skips a hash that is imported again after the first use', async () => {
    const { secret, id, raw } = await used();

    const again = await test.tokens.importHashed([await rowOf(secret)]);
    await test.tokens.revoke(id);
    const afterwards = await test.tokens.importHashed([await rowOf(secret)]);

    const skipped = [{ index: 0, reason: 'imported' }];
    expect([again, afterwards]).toEqual([
      { imported: 0, skipped },
      { imported: 0, skipped },
    ]);
    expect(await refusalOf(test.tokens.verify(raw))).toBe('token_revoked');
  });

  it('keeps to the first row of a secret that is imported again with another digest', async () => {
    const { secret, id, raw } = await used();
    const other = { ...(await rowOf(secret)), hash: new Uint8Array(32).fill(made) };
    expect(await test.tokens.importHashed([other])).toMatchObject({ imported: 1 });
    const { tokens } = await test.tokens.listActive(owner);
    const second = tokens.find((token) => token.id !== id)!;

    // The other tokens of a batch are recorded all the same.
    const fresh = await imported();
    await test.tokens.verify(fresh.raw);
    test.get(SecretHashRecorder).record(second, secretHashOf({ name: 'old' }, secret));
    await flush();

    const recorded = [await isRecorded(id), await isRecorded(second.id), await isRecorded(fresh.id)];
    expect(recorded).toEqual([true, false, true]);
    await test.tokens.revoke(id);
    expect(await refusalOf(test.tokens.verify(raw))).toBe('token_revoked');
  });

  it('can be switched off again, and lookup() finds the token either way without counting as a use', async () => {
    const [known, fresh] = [await used(), await imported()];
    const slow = await start(false, test.databaseUrl);

    for (const node of [test, slow]) {
      for (const { raw, id } of [known, fresh]) {
        expect((await node.tokens.lookup(raw))?.token.id).toBe(id);
      }
    }
    expect(await slow.tokens.verify(known.raw)).toMatchObject({ id: known.id });
    expect(await slow.tokens.verify(fresh.raw)).toMatchObject({ id: fresh.id });
    await slow.close();
    await flush();

    expect(await isRecorded(fresh.id)).toBe(false);
  });

  it('accepts a rotated token by its fast hash until the end of the grace period', async () => {
    const { raw, id } = await used();

    const { rawToken } = await test.tokens.rotate(id, { graceSeconds: 60 });

    expect(await test.tokens.verify(raw)).toMatchObject({ id });
    expect(await test.tokens.verify(rawToken)).toMatchObject({ prefix: 'sigra_sk_' });
    test.clock.advance({ seconds: 61 });
    expect(await refusalOf(test.tokens.verify(raw))).toBe('token_expired');
    expect(digested).toEqual([]);
  });

  it('computes few digests at a time in a flood of wrong tokens, and refuses the others with 503', async () => {
    const [known, { rawToken }] = [
      await used(),
      await test.tokens.create(owner, { name: 'Native', scopes: ['read:notes'] }),
    ];
    let open: () => void = () => undefined;
    gate = new Promise((resolve) => (open = resolve));
    mostRunning = 0;
    const send = (raw: string) => fetch(`${test.url}/notes`, { headers: { authorization: `Bearer ${raw}` } });
    const answers: Response[] = [];
    const flood = Array.from({ length: 80 }, async () => answers.push(await send(`old_${newSecret()}`)));

    await eventually(() => answers.length === 14);
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 14 }, () => 503));
    expect(answers[0]?.headers.get('retry-after')).not.toBeNull();
    expect((await send(known.raw)).status).toBe(200);
    expect((await send(rawToken)).status).toBe(200);
    open();
    await Promise.all(flood);
    gate = undefined;

    expect(answers.slice(14).map(({ status }) => status)).toEqual(Array.from({ length: 66 }, () => 401));
    expect(mostRunning).toBe(2);
  });
});
