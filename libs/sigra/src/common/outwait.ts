import { setTimeout as delay } from 'node:timers/promises';

/** The clocks of two machines differ in rate, by far less than this. */
const MARGIN = 1.01;

/**
 * Waits until a lease has run out on every node, if it began before the call. By the clock of this node alone: only its rate counts,
 * with a margin of one hundredth.
 *
 * @param lease in milliseconds
 */
export async function outwait(lease: number): Promise<void> {
  const end = performance.now() + lease * MARGIN;
  // A timer can fire early.
  for (let left = end - performance.now(); left > 0; left = end - performance.now()) await delay(Math.ceil(left));
}
