import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { lookupBatch, lookupQueue, lookupShed } from '../telemetry/channels.js';
import { BatchLoader, type BatchLoaderOptions } from './batch-loader.js';

const TIMEOUT = 1000;

/** A query that runs until the test answers it. */
interface RunningQuery {
  readonly keys: readonly string[];
  /** Resolves with `<key>!` for these keys. @default all keys of the query */
  answer(keys?: readonly string[]): Promise<void>;
  fail(error: Error): Promise<void>;
}

/** Runs one turn of the event loop, with its `setImmediate` callbacks. */
const turn = () => jest.advanceTimersByTimeAsync(0);

describe('BatchLoader', () => {
  let queries: RunningQuery[];
  const loaderOf = (options: Partial<BatchLoaderOptions<string>> = {}) =>
    new BatchLoader<string>({
      name: 'owner',
      timeout: TIMEOUT,
      load: (keys) =>
        new Promise((resolve, reject) => {
          queries.push({
            keys,
            answer: (found = keys) => {
              resolve(new Map(found.map((key) => [key, `${key}!`])));
              return turn();
            },
            fail: (error) => {
              reject(error);
              return turn();
            },
          });
        }),
      ...options,
    });
  const keysOf = (prefix: string, count: number) => Array.from({ length: count }, (_, number) => `${prefix}${number}`);

  beforeEach(() => {
    queries = [];
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] });
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('reads all keys of one turn with one query, and resolves each caller with its value', async () => {
    const loader = loaderOf();

    const answers = Promise.all([loader.load('a'), loader.load('b'), loader.load('c')]);
    await turn();
    await queries[0]!.answer(['a', 'c']);

    expect(queries.map(({ keys }) => keys)).toEqual([['a', 'b', 'c']]);
    expect(await answers).toEqual(['a!', undefined, 'c!']);
  });

  it('sends no query before the turn is over', async () => {
    const loader = loaderOf();

    const answer = loader.load('a');
    await Promise.resolve();
    const before = queries.length;
    await turn();
    await queries[0]!.answer();

    expect(before).toBe(0);
    expect(await answer).toBe('a!');
  });

  it('sends the read of a lone caller at once after eight queries for one key, and combines what follows in that turn', async () => {
    const loader = loaderOf();
    const waited: number[] = [];
    for (let query = 0; query < 9; query++) {
      const before = queries.length;
      const answer = loader.load('a');
      if (queries.length === before) waited.push(query);
      await turn();
      await queries[query]!.answer();
      await answer;
    }

    const answers = [loader.load('b'), loader.load('c'), loader.load('d')];
    const atOnce = queries.slice(9).map(({ keys }) => keys);
    await turn();
    await queries[9]!.answer();
    await queries[10]!.answer();
    await Promise.all(answers);
    const next = loader.load('e');
    const after = queries.slice(9).map(({ keys }) => keys);
    await turn();
    await queries[11]!.answer();
    await next;

    expect(waited).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(atOnce).toEqual([['b']]);
    expect(after).toEqual([['b'], ['c', 'd']]);
  });

  it('reads a key once when several callers request it in one turn', async () => {
    const loader = loaderOf();

    const answers = Promise.all([loader.load('a'), loader.load('b'), loader.load('a'), loader.load('a')]);
    await turn();
    await queries[0]!.answer();

    expect(queries.map(({ keys }) => keys)).toEqual([['a', 'b']]);
    expect(await answers).toEqual(['a!', 'b!', 'a!', 'a!']);
  });

  it('reads a key again when it is requested while a query for it runs', async () => {
    const loader = loaderOf();

    const early = loader.load('a');
    await turn();
    const late = loader.load('a');
    await turn();
    await queries[0]!.answer();
    await queries[1]!.answer([]);

    expect(queries.map(({ keys }) => keys)).toEqual([['a'], ['a']]);
    expect([await early, await late]).toEqual(['a!', undefined]);
  });

  it('keeps nothing after the answer', async () => {
    const loader = loaderOf();

    for (const found of [['a'], [], ['a']]) {
      const answer = loader.load('a');
      await turn();
      await queries.at(-1)!.answer(found);
      expect(await answer).toBe(found.length > 0 ? 'a!' : undefined);
    }

    expect(queries).toHaveLength(3);
    await jest.advanceTimersByTimeAsync(TIMEOUT);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('runs at most two queries at once, and sends the waiting keys together when one ends', async () => {
    const loader = loaderOf();

    const answers = [loader.load('a')];
    await turn();
    answers.push(loader.load('b'));
    await turn();
    answers.push(loader.load('c'));
    await turn();
    answers.push(loader.load('d'));
    await turn();
    const underWay = queries.map(({ keys }) => keys);
    await queries[0]!.answer();
    const afterwards = queries.map(({ keys }) => keys);
    await queries[1]!.answer();
    await queries[2]!.answer();

    expect(underWay).toEqual([['a'], ['b']]);
    expect(afterwards).toEqual([['a'], ['b'], ['c', 'd']]);
    expect(await Promise.all(answers)).toEqual(['a!', 'b!', 'c!', 'd!']);
  });

  it('sends waiting keys in one query, up to 512 keys', async () => {
    const loader = loaderOf();

    void Promise.all(keysOf('k', 600).map((key) => loader.load(key)));
    await turn();

    expect(queries.map(({ keys }) => keys.length)).toEqual([512, 88]);
  });

  describe('with spread, divides the waiting keys among the free slots', () => {
    const sizes = () => queries.map(({ keys }) => keys.length);
    const loadMany = async (loader: BatchLoader<string>, prefix: string, count: number) => {
      void Promise.all(keysOf(prefix, count).map((key) => loader.load(key)));
      await turn();
    };

    it.each([
      { keys: 30, expected: [30] },
      { keys: 31, expected: [16, 15] },
      { keys: 64, expected: [32, 32] },
      { keys: 600, expected: [300, 300] },
      { keys: 1100, expected: [512, 512] },
    ])('$keys keys', async ({ keys, expected }) => {
      await loadMany(loaderOf({ spread: true }), 'k', keys);

      expect(sizes()).toEqual(expected);
      expect(queries.flatMap((query) => query.keys)).toEqual(keysOf('k', Math.min(keys, 1024)));
    });

    it('all keys in the only free slot', async () => {
      const loader = loaderOf({ spread: true });

      await loadMany(loader, 'first', 1);
      await loadMany(loader, 'second', 100);

      expect(sizes()).toEqual([1, 100]);
    });
  });

  it('reads outside the context of any caller, and resolves each caller in its own context', async () => {
    const caller = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const loader = new BatchLoader<string>({
      name: 'owner',
      timeout: TIMEOUT,
      load: async (keys) => {
        seen.push(caller.getStore());
        await Promise.resolve();
        return new Map(keys.map((key) => [key, key]));
      },
    });
    const loadAs = (name: string) =>
      caller.run(name, async () => {
        await loader.load(name);
        return caller.getStore();
      });

    const first = Promise.all([loadAs('ada'), loadAs('grace')]);
    await turn();
    // The same for a query that starts when another one has ended.
    const second = loadAs('ada');
    await turn();
    await turn();

    expect(await first).toEqual(['ada', 'grace']);
    expect(await second).toBe('ada');
    expect(seen).toEqual([undefined, undefined]);
  });

  it('reads at most 512 keys with one query', async () => {
    const loader = loaderOf();
    const keys = keysOf('k', 1300);

    const answers = Promise.all(keys.map((key) => loader.load(key)));
    await turn();
    const sizes = queries.map((query) => query.keys.length);
    await queries[0]!.answer();
    await queries[1]!.answer();
    await queries[2]!.answer();

    expect(sizes).toEqual([512, 512]);
    expect(queries[2]!.keys).toEqual(keys.slice(1024));
    expect(await answers).toEqual(keys.map((key) => `${key}!`));
  });

  it('rejects only the callers of a failed query, with the cause', async () => {
    const loader = loaderOf({ maxBatchSize: 2 });
    const failure = new Error('connection terminated');

    const outcomes = Promise.allSettled(['a', 'b', 'c', 'd'].map((key) => loader.load(key)));
    await turn();
    await queries[0]!.fail(failure);
    await queries[1]!.answer();

    const refused = { status: 'rejected', reason: expect.objectContaining({ code: 'unavailable', cause: failure }) };
    expect(await outcomes).toEqual([
      refused,
      refused,
      { status: 'fulfilled', value: 'c!' },
      { status: 'fulfilled', value: 'd!' },
    ]);
  });

  it('continues after a failure, including a synchronous one', async () => {
    let fails = true;
    const loader = loaderOf({
      load: (keys) => {
        if (fails) throw new Error('no connection');
        return Promise.resolve(new Map(keys.map((key) => [key, `${key}!`])));
      },
    });

    const refused = expect(loader.load('a')).rejects.toMatchObject({ code: 'unavailable' });
    await turn();
    await refused;
    fails = false;
    const answer = loader.load('a');
    await turn();

    expect(await answer).toBe('a!');
  });

  it('rejects a caller at the timeout, and not a millisecond earlier', async () => {
    const loader = loaderOf();
    const outcome = jest.fn();

    loader.load('a').catch(outcome);
    await jest.advanceTimersByTimeAsync(TIMEOUT - 1);
    const before = outcome.mock.calls.length;
    await jest.advanceTimersByTimeAsync(1);

    expect(before).toBe(0);
    expect(outcome).toHaveBeenCalledWith(expect.objectContaining({ code: 'unavailable' }));
  });

  it('rejects each caller at its own deadline, whether its query is running or waiting', async () => {
    const loader = loaderOf({ maxInFlight: 1 });
    const late: string[] = [];
    const load = (key: string) => void loader.load(key).catch(() => late.push(key));

    load('reading');
    await jest.advanceTimersByTimeAsync(400);
    load('waiting');
    await jest.advanceTimersByTimeAsync(400);
    load('later');
    await jest.advanceTimersByTimeAsync(200);
    const first = [...late];
    await jest.advanceTimersByTimeAsync(400);
    const second = [...late];
    await jest.advanceTimersByTimeAsync(400);

    expect([first, second, late]).toEqual([['reading'], ['reading', 'waiting'], ['reading', 'waiting', 'later']]);
  });

  it('resolves a caller in time after another caller of the same query timed out', async () => {
    const loader = loaderOf({ maxInFlight: 1 });

    const blocking = loader.load('blocking');
    await turn();
    const impatient = expect(loader.load('impatient')).rejects.toMatchObject({ code: 'unavailable' });
    await jest.advanceTimersByTimeAsync(TIMEOUT - 10);
    const patient = loader.load('patient');
    await queries[0]!.answer();
    await jest.advanceTimersByTimeAsync(20);
    await queries[1]!.answer();

    await impatient;
    expect(queries[1]!.keys).toEqual(['impatient', 'patient']);
    expect([await blocking, await patient]).toEqual(['blocking!', 'patient!']);
  });

  it('does not read keys whose callers have all timed out', async () => {
    const loader = loaderOf({ maxInFlight: 1 });

    const abandoned = ['a', 'b'].map((key) => loader.load(key).catch(() => 'late'));
    await turn();
    const waiting = loader.load('c').catch(() => 'late');
    await jest.advanceTimersByTimeAsync(TIMEOUT);
    const fresh = loader.load('d');
    await queries[0]!.answer();
    await turn();
    await queries.at(-1)!.answer();

    expect(await Promise.all([...abandoned, waiting])).toEqual(['late', 'late', 'late']);
    expect(await fresh).toBe('d!');
    expect(queries.map(({ keys }) => keys)).toEqual([['a', 'b'], ['d']]);
  });

  it('frees the slots of a database that hangs, up to twice their number', async () => {
    const loader = loaderOf();

    for (let round = 0; round < 10; round++) {
      loader.load(`hanging ${round}`).catch(() => undefined);
      await turn();
      await jest.advanceTimersByTimeAsync(TIMEOUT);
    }

    expect(queries).toHaveLength(4);
  });

  it('recovers as soon as the database does', async () => {
    const loader = loaderOf();
    for (let round = 0; round < 6; round++) {
      loader.load(`hanging ${round}`).catch(() => undefined);
      await jest.advanceTimersByTimeAsync(TIMEOUT);
    }

    const answer = loader.load('a');
    await turn();
    const hung = queries.length;
    await queries[0]!.fail(new Error('connection terminated'));
    await queries.at(-1)!.answer();

    expect(hung).toBe(4);
    expect(await answer).toBe('a!');
  });

  it('ignores an answer after the timeout', async () => {
    const loader = loaderOf();
    const outcome = loader.load('a').catch((error: unknown) => error);
    await jest.advanceTimersByTimeAsync(TIMEOUT);

    await queries[0]!.answer();

    expect(await outcome).toMatchObject({ code: 'unavailable' });
  });

  it('rejects callers while the queue is full, and accepts them again when it is not', async () => {
    const loader = loaderOf({ maxQueued: 3, maxInFlight: 1 });

    const running = loader.load('running');
    await turn();
    const queued = keysOf('k', 3).map((key) => loader.load(key));
    const shed = [loader.load('one too many'), loader.load('k0')];
    for (const each of shed) await expect(each).rejects.toMatchObject({ code: 'unavailable' });
    await queries[0]!.answer();
    const next = loader.load('next');
    await queries[1]!.answer();
    await turn();
    await queries[2]!.answer();

    expect(await Promise.all([running, ...queued, next])).toEqual(['running!', 'k0!', 'k1!', 'k2!', 'next!']);
  });

  it('distinguishes keys that are properties of every object', async () => {
    const loader = loaderOf();

    const answers = Promise.all(['__proto__', 'constructor', 'toString'].map((key) => loader.load(key)));
    await turn();
    await queries[0]!.answer(['constructor']);

    expect(await answers).toEqual([undefined, 'constructor!', undefined]);
  });

  it('publishes queries, the requests that wait, and those that it refuses', async () => {
    const seen: unknown[] = [];
    const subscriber = (message: unknown) => void seen.push({ ...(message as object), duration: 0, queue: 0 });
    for (const each of [lookupBatch, lookupQueue, lookupShed]) subscribe(each.name, subscriber);
    const loader = loaderOf({ maxInFlight: 1, maxQueued: 2 });
    const waits = (waiting: number) => ({ lookup: 'owner', waiting, duration: 0, queue: 0 });
    const shed = (reason: string, requests: number) => ({ lookup: 'owner', reason, requests, duration: 0, queue: 0 });
    const first = loader.load('a').catch(String);
    await turn();

    const waiting = [loader.load('b'), loader.load('b'), loader.load('c')].map((each) => each.catch(String));
    await jest.advanceTimersByTimeAsync(TIMEOUT);
    const failure = new Error('slow');
    await queries[0]!.fail(failure);
    for (const each of [lookupBatch, lookupQueue, lookupShed]) unsubscribe(each.name, subscriber);

    await Promise.all([first, ...waiting]);
    expect(seen).toEqual([
      waits(1),
      waits(0),
      waits(1),
      waits(2),
      shed('queue_full', 1),
      waits(0),
      shed('timeout', 2),
      { lookup: 'owner', keys: 1, duration: 0, error: failure, queue: 0 },
    ]);
  });
});
