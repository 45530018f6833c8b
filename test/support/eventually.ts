import { setTimeout as delay } from 'node:timers/promises';

/**
 * Waits for another process or for the database.
 *
 * @returns what `condition` resolves to, once it neither rejects nor is false
 * @throws after a minute, with the last error of `condition` if it rejected
 */
export async function eventually<T>(condition: () => Promise<T> | T): Promise<Exclude<T, false>> {
  for (const deadline = performance.now() + 60_000; ;) {
    try {
      const value = await condition();
      if (value !== false) return value as Exclude<T, false>;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    if (performance.now() > deadline) throw new Error('The condition did not come true within a minute');
    await delay(10);
  }
}
