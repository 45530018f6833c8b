import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Post } from '@nestjs/common';
import {
  ApiTokenService,
  type Caller,
  CredentialService,
  CurrentCaller,
  CurrentUser,
  type IssuedApiToken,
} from 'nestjs-sigra';
import { ApiTokenCreator } from '../../libs/sigra/src/tokens/api-token.creator.js';
import { auditRows } from '../support/audit-rows.js';
import { eventually } from '../support/eventually.js';
import { untilWaiting } from '../support/locks.js';
import { QueryLog } from '../support/query-log.js';
import { startTestApp, type TestApp, type User } from '../support/test-app.js';

const CAP = 30;
const SIGRA = { apiTokens: { scopes: ['read:notes'], maxActivePerOwner: CAP } };
const REQUEST = { name: 'CI', scopes: ['read:notes'] };

/** What waits for the next batch. */
interface Batching {
  readonly batcher: { readonly queue: ReadonlySet<unknown> };
}

/** A handler that takes time before it creates a token for the session. */
@Controller('slow')
class SlowController {
  static waiting = 0;
  static open: () => void = () => undefined;
  static readonly gate = new Promise<void>((resolve) => {
    SlowController.open = resolve;
  });

  constructor(private readonly tokens: ApiTokenService) {}

  @Post()
  async create(@CurrentUser() user: User, @CurrentCaller() caller: Caller): Promise<IssuedApiToken> {
    SlowController.waiting++;
    await SlowController.gate;
    return this.tokens.create(user, REQUEST, caller);
  }
}

describe('API tokens that are created at the same time', () => {
  let test: TestApp;
  let users: [User, User, User];
  const create = (user: User, more: object = {}) => test.tokens.create(user, { ...REQUEST, ...more });
  const codesOf = (outcomes: readonly PromiseSettledResult<unknown>[]) =>
    outcomes.map((outcome) => (outcome.status === 'fulfilled' ? 'created' : (outcome.reason as { code: string }).code));
  const namesOf = async (user: User) =>
    (await test.tokens.listActive(user, { limit: 200 })).tokens.map(({ name }) => name);
  /** Changes and locks the row of an owner while `act` runs, as the end of all its tokens does. */
  const holding = (user: User, act: () => Promise<void>) =>
    test.dataSource.transaction(async (manager) => {
      await manager.query('UPDATE sigra_owners SET token_epoch = token_epoch WHERE owner_id = $1', [user.id]);
      await act();
    });

  /** Makes creations, and `meanwhile`, while one with the name `blocking` makes a batch last. */
  const inNextBatch = async (
    creates: readonly (() => Promise<IssuedApiToken>)[],
    meanwhile: () => Promise<unknown> = () => Promise.resolve(),
  ) => {
    const runner = test.dataSource.createQueryRunner();
    const { batcher } = test.get<ApiTokenCreator>(ApiTokenCreator) as unknown as Batching;
    await runner.query('SELECT pg_advisory_lock(1)');
    try {
      const blocking = create(users[2], { name: 'blocking' });
      await untilWaiting(test.dataSource, 1);
      const made = Promise.all(creates.map((each) => each()));
      await eventually(() => Promise.resolve(batcher.queue.size === creates.length));
      await meanwhile();
      await runner.query('SELECT pg_advisory_unlock(1)');
      await blocking;
      return await made;
    } finally {
      await runner.release();
    }
  };

  beforeAll(async () => {
    test = await startTestApp({ controllers: [SlowController], sigra: SIGRA });
    await test.dataSource.query(`
      CREATE FUNCTION block() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;
      CREATE TRIGGER block BEFORE INSERT ON sigra_api_tokens FOR EACH ROW WHEN (NEW.name = 'blocking') EXECUTE FUNCTION block()`);
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    const add = () => test.addUser(`${randomUUID()}@example.com`);
    users = [await add(), await add(), await add()];
    for (const user of users) await create(user, { name: 'first' });
  });

  it('share a transaction, and have one audit row each', async () => {
    const log = QueryLog.of(test.dataSource);

    const made = await Promise.all(users.flatMap((user) => ['a', 'b'].map((name) => create(user, { name }))));

    expect(log.matching(/^COMMIT$/)).toHaveLength(1);
    expect(new Set(made.map(({ rawToken }) => rawToken)).size).toBe(6);
    for (const [index, { rawToken, token }] of made.entries()) {
      expect(token).toMatchObject({ ownerId: users[Math.floor(index / 2)]!.id, name: 'ab'[index % 2] });
      expect(await test.tokens.verify(rawToken)).toEqual(token);
      expect(await auditRows(test.dataSource, token.id)).toMatchObject([
        { action: 'api.token_create', metadata: { userId: token.ownerId, name: token.name } },
      ]);
    }
  });

  it('are refused each for itself: above the most that an owner can have', async () => {
    const [full, other] = users;

    const outcomes = await Promise.allSettled([
      ...Array.from({ length: CAP + 9 }, () => create(full)),
      create(other, { name: 'second' }),
    ]);

    const codes = codesOf(outcomes);
    expect(codes.filter((code) => code === 'too_many_tokens')).toHaveLength(10);
    expect(await namesOf(full)).toHaveLength(CAP);
    expect(codes.at(-1)).toBe('created');
    expect(await namesOf(other)).toEqual(['first', 'second']);
  });

  it('commit nothing when all are refused', async () => {
    const [user] = users;
    const log = QueryLog.of(test.dataSource);

    const outcomes = await Promise.allSettled([1, 2].map(() => create(user, { expiresAt: test.clock.now() })));

    expect(codesOf(outcomes)).toEqual(['expiry_in_past', 'expiry_in_past']);
    expect(log.matching(/^COMMIT$/)).toHaveLength(0);
  });

  it('are refused each for itself: with a session that was locked out while its request waited', async () => {
    const [out, other] = users;
    const requests = Promise.all(
      [out, other].map(({ id }) => fetch(`${test.url}/slow`, { method: 'POST', headers: { 'x-session-user': id } })),
    );
    await eventually(() => Promise.resolve(SlowController.waiting === 2));

    await test.get<CredentialService>(CredentialService).lockOut(out.id);
    SlowController.open();
    const [refused, made] = await requests;

    expect([refused!.status, await refused!.json()]).toMatchObject([401, { error: 'invalid_token' }]);
    expect(made!.status).toBe(201);
    expect(await namesOf(out)).toEqual([]);
    const { token } = (await made!.json()) as IssuedApiToken;
    expect(await auditRows(test.dataSource, token.id)).toMatchObject([{ actor_id: other.id }]);
  });

  it('do not wait for another owner whose row is locked, and are judged by the time after the wait', async () => {
    const [locked, other] = users;
    const expiresAt = new Date(test.clock.now().getTime() + 1000);
    let waiting: Promise<PromiseSettledResult<unknown>[]> | undefined;

    await holding(locked, async () => {
      const free = create(other, { name: 'second', expiresAt });
      waiting = Promise.allSettled([create(locked, { expiresAt })]);
      await free;
      await untilWaiting(test.dataSource, 1);
      test.clock.advance({ seconds: 2 });
    });

    expect(codesOf((await waiting)!)).toEqual(['expiry_in_past']);
    expect(await namesOf(locked)).toEqual(['first']);
  });

  it('are one token for one idempotency key, whose repetition fails alone', async () => {
    const [user, other, third] = users;
    const [idempotencyKey, another] = [randomUUID(), randomUUID()];
    const log = QueryLog.of(test.dataSource);

    const made = await inNextBatch([
      () => create(user, { name: 'same', idempotencyKey }),
      () => create(user, { name: 'same', idempotencyKey }),
      () => create(other, { idempotencyKey: another }),
      () => create(third),
    ]);

    expect(made[0]).toEqual(made[1]);
    expect(await namesOf(user)).toEqual(['first', 'same']);
    expect(new Set(made.map(({ token }) => token.id)).size).toBe(3);
    // That of the blocking creation and that of the batch.
    expect(log.matching(/^COMMIT$/)).toHaveLength(2);
    // That of the batch, and that of the repetition, which fails.
    expect(log.matching(/^INSERT INTO \S*sigra_idempotency_keys/)).toHaveLength(2);
  });

  it('repeat an answer that was kept while they waited', async () => {
    const [user, other] = users;
    const idempotencyKey = randomUUID();
    const node = await startTestApp({ databaseUrl: test.databaseUrl, sigra: SIGRA });

    let first: IssuedApiToken | undefined;
    const [repeated, fresh] = await inNextBatch(
      [() => create(user, { idempotencyKey }), () => create(other, { name: 'fresh' })],
      async () => {
        first = await node.tokens.create(user, { ...REQUEST, idempotencyKey });
      },
    );

    expect(fresh!.token.name).toBe('fresh');
    expect((await namesOf(user)).sort()).toEqual([REQUEST.name, 'first']);
    expect(repeated).toEqual(first);
    await node.close();
  });
});
