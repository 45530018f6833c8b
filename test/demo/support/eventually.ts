import { setTimeout as delay } from 'node:timers/promises';

/** What `condition` resolves to once it neither rejects nor is false: for what another process does in its own time. */
export async function eventually<T>(condition: () => Promise<T> | T): Promise<T> {
  for (const deadline = Date.now() + 20_000; ;) {
    try {
      const value = await condition();
      if (value !== false || Date.now() > deadline) return value;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await delay(20);
  }
}
