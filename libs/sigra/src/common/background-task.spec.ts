import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { BackgroundTask } from './background-task.js';

const DELAY = 2000;

describe('BackgroundTask', () => {
  const errors: unknown[] = [];
  let runs: (() => void)[];
  /** Work that runs until the test ends it. */
  const work = () => new Promise<void>((end) => runs.push(end));

  beforeEach(() => {
    runs = [];
    errors.length = 0;
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] });
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('runs once within the delay, even for many requests', async () => {
    const task = new BackgroundTask(DELAY, work, () => undefined);

    task.request();
    await jest.advanceTimersByTimeAsync(DELAY - 1);
    task.request();
    const before = runs.length;
    await jest.advanceTimersByTimeAsync(1);
    const then = runs.length;
    await jest.advanceTimersByTimeAsync(10 * DELAY);

    expect([before, then, runs.length]).toEqual([0, 1, 1]);
  });

  it('never runs without a request', async () => {
    new BackgroundTask(DELAY, work, () => undefined);

    await jest.advanceTimersByTimeAsync(10 * DELAY);

    expect(runs).toHaveLength(0);
  });

  it('runs at once on run(), and not again for an earlier request', async () => {
    const task = new BackgroundTask(DELAY, work, () => undefined);

    task.request();
    const done = task.run();
    await jest.advanceTimersByTimeAsync(0);
    runs[0]?.();
    await done;
    await jest.advanceTimersByTimeAsync(DELAY);

    expect(runs).toHaveLength(1);
  });

  it('never overlaps itself', async () => {
    const task = new BackgroundTask(DELAY, work, () => undefined);

    const both = Promise.all([task.run(), task.run()]);
    await jest.advanceTimersByTimeAsync(0);
    const first = runs.length;
    runs[0]?.();
    await jest.advanceTimersByTimeAsync(0);
    const second = runs.length;
    runs[1]?.();
    await both;

    expect([first, second]).toEqual([1, 2]);
  });

  it('reports a failure, never rejects, and runs again', async () => {
    let calls = 0;
    const task = new BackgroundTask(
      DELAY,
      async () => {
        calls++;
        throw new Error(`failure ${calls}`);
      },
      (error) => void errors.push(String(error)),
    );

    await task.run();
    task.request();
    await jest.advanceTimersByTimeAsync(DELAY);

    expect(errors).toEqual(['Error: failure 1', 'Error: failure 2']);
  });
});
