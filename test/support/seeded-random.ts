/** A random number generator with a seed (mulberry32), so that a failure can be reproduced. */
export class SeededRandom {
  private state: number;

  constructor(readonly seed: number) {
    this.state = seed >>> 0;
  }

  /** Uniform in [0, 1). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  /** An integer from 0 to below `bound`. */
  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  text(alphabet: string, maxLength: number): string {
    return Array.from({ length: this.below(maxLength + 1) }, () => alphabet.charAt(this.below(alphabet.length))).join(
      '',
    );
  }
}

/** `SIGRA_SEED=… npx jest test/hostile` repeats a run. */
export function seedOfRun(): number {
  return Number(process.env.SIGRA_SEED ?? Math.floor(Math.random() * 0x1_0000_0000));
}
