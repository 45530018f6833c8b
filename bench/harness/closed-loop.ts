import { Latencies, type Sample } from './sample.js';

/**
 * Keeps `inFlight` calls of `operation` under way for some seconds: each caller makes its next call when the one before
 * has ended. A call that rejects ends the run.
 */
export async function closedLoop(
  { inFlight, seconds }: { inFlight: number; seconds: number },
  operation: (caller: number) => Promise<unknown>,
): Promise<Sample> {
  const latencies = new Latencies();
  const cpu = process.cpuUsage();
  const start = performance.now();
  const deadline = start + seconds * 1000;
  const caller = async (index: number): Promise<void> => {
    for (;;) {
      const called = performance.now();
      if (called >= deadline) return;
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
