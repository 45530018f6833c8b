import { Latencies, type Sample } from './sample.js';

/**
 * Keeps `inFlight` calls of `operation` in flight: each caller makes its next call when its previous call has ended. A
 * rejected call ends the run.
 *
 * @param until seconds, or a function that returns true at the end
 */
export async function closedLoop(
  { inFlight, until }: { inFlight: number; until: number | (() => boolean) },
  operation: (caller: number) => Promise<unknown>,
): Promise<Sample> {
  const latencies = new Latencies();
  // Collects earlier garbage, such as the credentials, before the measurement starts.
  globalThis.gc?.();
  const cpu = process.cpuUsage();
  const start = performance.now();
  const isOver = typeof until === 'number' ? (now: number) => now >= start + until * 1000 : until;
  const caller = async (index: number): Promise<void> => {
    for (;;) {
      const called = performance.now();
      if (isOver(called)) return;
      await operation(index);
      latencies.add(performance.now() - called);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, index) => caller(index)));
  const ended = performance.now();
  const { user, system } = process.cpuUsage(cpu);
  return {
    operations: latencies.length,
    seconds: (ended - start) / 1000,
    cpuMicros: user + system,
    ...latencies.percentiles(),
  };
}
