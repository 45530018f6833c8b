import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Deadline } from '../common/deadline.js';
import { SigraError } from '../common/sigra-error.js';
import { ChangeBatcher, type ChangeBatcherOptions } from './change-batcher.js';

/** A batch that runs until the test answers it. */
interface RunningBatch {
  readonly changes: readonly string[];
  readonly timeout: number;
  /** @param keys of the changes that were made. @default all */
  answer(keys?: readonly string[]): Promise<void>;
  fail(error: Error): Promise<void>;
}

/** Runs one turn of the event loop, with its `setImmediate` callbacks. */
const turn = () => jest.advanceTimersByTimeAsync(0);

describe('ChangeBatcher', () => {
  let batches: RunningBatch[];
  /** The key of a change is its first character. */
  const batcherOf = (options: Partial<ChangeBatcherOptions<string, string>> = {}) =>
    new ChangeBatcher<string, string>({
      keyOf: ([key = '']) => key,
      limit: 1000,
      make: (changes, timeout) =>
        new Promise((resolve, reject) => {
          batches.push({
            changes,
            timeout,
            answer: (keys = changes.map(([key = '']) => key)) => {
              resolve(new Map(keys.map((key) => [key, `made ${key}`])));
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
  const changesOf = () => batches.map(({ changes }) => changes);
  const soon = (milliseconds = 1000) => Deadline.after(milliseconds);

  beforeEach(() => {
    batches = [];
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] });
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('makes all changes of one moment in one batch, and says which were made', async () => {
    const batcher = batcherOf();

    const made = Promise.all(['a', 'b', 'c'].map((change) => batcher.make(change, soon())));
    await turn();
    await batches[0]!.answer(['a', 'c']);

    expect(changesOf()).toEqual([['a', 'b', 'c']]);
    expect(await made).toEqual(['made a', undefined, 'made c']);
  });

  it('collects changes while batches run', async () => {
    const batcher = batcherOf({ maxInFlight: 1 });
    const first = batcher.make('a', soon());
    await turn();

    const others = Promise.all([batcher.make('b', soon()), batcher.make('c', soon())]);
    await turn();
    const before = changesOf();
    await batches[0]!.answer();
    await batches[1]!.answer();

    expect(before).toEqual([['a']]);
    expect(changesOf()).toEqual([['a'], ['b', 'c']]);
    expect([await first, ...(await others)]).toEqual(['made a', 'made b', 'made c']);
  });

  it('makes changes with the same key in different batches', async () => {
    const batcher = batcherOf({ maxInFlight: 1 });

    const made = Promise.all(['a1', 'a2', 'b', 'a3'].map((change) => batcher.make(change, soon())));
    await turn();
    for (const index of [0, 1, 2]) await batches[index]!.answer();

    expect(changesOf()).toEqual([['a1', 'b'], ['a2'], ['a3']]);
    expect(await made).toEqual(['made a', 'made a', 'made b', 'made a']);
  });

  it('has a largest batch', async () => {
    const batcher = batcherOf({ maxBatchSize: 2, maxInFlight: 2 });

    const made = Promise.all(['a', 'b', 'c', 'd', 'e'].map((change) => batcher.make(change, soon())));
    await turn();
    const together = changesOf();
    await batches[0]!.answer();
    await batches[1]!.answer();
    await batches[2]!.answer();
    await made;

    expect(together).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    expect(changesOf().at(-1)).toEqual(['e']);
  });

  it('makes each half for itself when a batch fails, so that only the wrong one fails', async () => {
    const batcher = batcherOf();
    const wrong = new Error('wrong');

    const made = Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map((change) => batcher.make(change, soon())));
    await turn();
    await batches[0]!.fail(wrong);
    await batches[1]!.fail(wrong);
    await batches[2]!.answer();
    await batches[3]!.fail(wrong);
    await batches[4]!.answer(['d']);

    expect(changesOf()).toEqual([['a', 'b', 'c', 'd', 'e'], ['a', 'b', 'c'], ['a', 'b'], ['c'], ['d', 'e']]);
    expect(await made).toEqual([
      { status: 'fulfilled', value: 'made a' },
      { status: 'fulfilled', value: 'made b' },
      { status: 'rejected', reason: wrong },
      { status: 'fulfilled', value: 'made d' },
      { status: 'fulfilled', value: undefined },
    ]);
  });

  it('makes one change in a hundred alone when it always fails, with few batches', async () => {
    const changes = Array.from({ length: 100 }, (_, index) => String.fromCharCode(200 + index));
    const wrong = new Error('wrong');
    let made = 0;
    const batcher = batcherOf({
      make: (all) => {
        made++;
        return all.includes(changes[37]!)
          ? Promise.reject(wrong)
          : Promise.resolve(new Map(all.map((key) => [key, key])));
      },
    });

    const answers = Promise.allSettled(changes.map((change) => batcher.make(change, soon())));
    await turn();

    expect((await answers).filter(({ status }) => status === 'rejected')).toEqual([
      { status: 'rejected', reason: wrong },
    ]);
    expect(made).toBeLessThan(16);
  });

  it('repeats nothing when the outcome of a batch is unknown', async () => {
    const batcher = batcherOf();
    const unknown = new SigraError('outcome_unknown', 'The answer was lost.');

    const made = Promise.allSettled(['a', 'b'].map((change) => batcher.make(change, soon())));
    await turn();
    await batches[0]!.fail(unknown);

    expect(changesOf()).toEqual([['a', 'b']]);
    expect(await made).toEqual([
      { status: 'rejected', reason: unknown },
      { status: 'rejected', reason: unknown },
    ]);
  });

  it('gives a batch the time of the change that has the least', async () => {
    const batcher = batcherOf();

    const made = Promise.all([batcher.make('a', soon(5000)), batcher.make('b', soon(300))]);
    await turn();
    await batches[0]!.answer();
    await made;

    expect(batches[0]!.timeout).toBe(300);
  });

  it('does not make a change whose time is over, neither while it waits nor again', async () => {
    const batcher = batcherOf({ maxInFlight: 1 });
    const made = Promise.allSettled([batcher.make('a', soon(1000)), batcher.make('b', soon(5000))]);
    await turn();
    const waiting = Promise.allSettled([batcher.make('c', soon(500))]);

    await jest.advanceTimersByTimeAsync(1000);
    await batches[0]!.fail(new SigraError('unavailable', 'It was cancelled.'));
    await batches[1]!.answer();

    expect(changesOf()).toEqual([['a', 'b'], ['b']]);
    expect(await waiting).toEqual([{ status: 'rejected', reason: expect.objectContaining({ code: 'unavailable' }) }]);
    expect(await made).toEqual([
      { status: 'rejected', reason: expect.objectContaining({ code: 'unavailable' }) },
      { status: 'fulfilled', value: 'made b' },
    ]);
  });

  it('rejects a change that has too little time left for a batch', async () => {
    const batcher = batcherOf({ maxInFlight: 1 });
    const late = { status: 'rejected', reason: expect.objectContaining({ code: 'unavailable' }) };
    const made = Promise.allSettled([batcher.make('a', soon(99)), batcher.make('b', soon(2000))]);
    await turn();
    const waiting = Promise.allSettled([batcher.make('c', soon(1000)), batcher.make('d', soon(1100))]);

    await jest.advanceTimersByTimeAsync(901);
    await batches[0]!.answer();
    await batches[1]!.answer();

    expect(changesOf()).toEqual([['b'], ['d']]);
    expect(batches[1]!.timeout).toBeGreaterThan(100);
    expect(await made).toEqual([late, { status: 'fulfilled', value: 'made b' }]);
    expect(await waiting).toEqual([late, { status: 'fulfilled', value: 'made d' }]);
  });

  it('rejects changes when too many wait', async () => {
    const batcher = batcherOf({ maxQueued: 1, maxInFlight: 1 });
    const first = batcher.make('a', soon());

    const refused = batcher.make('b', soon());

    await expect(refused).rejects.toMatchObject({ code: 'unavailable' });
    await turn();
    await batches[0]!.answer();
    expect(await first).toBe('made a');
  });

  it('runs batches outside the async context of a request', async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const batcher = batcherOf({
      make: (changes) => {
        seen.push(storage.getStore());
        return Promise.resolve(new Map(changes.map((change) => [change, 'made'])));
      },
    });

    const made = storage.run('a request', () => batcher.make('a', soon()));
    await turn();

    expect(await made).toBe('made');
    expect(seen).toEqual([undefined]);
  });
});
