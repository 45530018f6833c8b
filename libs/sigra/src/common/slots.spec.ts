import { describe, expect, it } from '@jest/globals';
import { Slots } from './slots.js';

/** A task that ends on request. */
function pending() {
  let resolve: (value: string) => void = () => undefined;
  const promise = new Promise<string>((end) => (resolve = end));
  return { promise, resolve };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('Slots', () => {
  it('runs so many tasks at a time, the others in their order, and refuses more', async () => {
    const slots = new Slots(2, 2);
    const tasks = Array.from({ length: 4 }, pending);
    const begun: number[] = [];
    const results = tasks.map(({ promise }, index) =>
      slots.run(() => {
        begun.push(index);
        return promise;
      }),
    );

    await expect(slots.run(() => Promise.resolve())).rejects.toMatchObject({ code: 'unavailable' });
    expect(begun).toEqual([0, 1]);
    tasks[1]!.resolve('b');
    await turn();
    expect(begun).toEqual([0, 1, 2]);
    for (const [index, { resolve }] of tasks.entries()) resolve('abcd'[index]!);
    expect(await Promise.all(results)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('frees the slot of a task that fails', async () => {
    const slots = new Slots(1, 0);

    await expect(slots.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no');

    expect(await slots.run(() => Promise.resolve(1))).toBe(1);
  });
});
