import { Clock } from '../common/clock.js';

/** A length of time: the sum of its parts. */
export interface Duration {
  readonly milliseconds?: number;
  readonly seconds?: number;
  readonly minutes?: number;
  readonly hours?: number;
  readonly days?: number;
}

const UNITS = { milliseconds: 1, seconds: 1000, minutes: 60_000, hours: 3_600_000, days: 86_400_000 } as const;

/**
 * A clock that only the test moves, so that no test sleeps. It replaces `Clock`:
 *
 * @example
 * const clock = new FakeClock();
 * Test.createTestingModule({ imports: [AppModule] }).overrideProvider(Clock).useValue(clock);
 * clock.advance({ days: 91 });
 */
export class FakeClock extends Clock {
  private time: number;

  /**
   * @param start the time at first. @default now
   * @throws RangeError if `start` is not a valid date
   */
  constructor(start: Date = new Date()) {
    super();
    this.time = valid(start.getTime());
  }

  /** The time of the clock, in a new `Date`: changing it does not move the clock. */
  now(): Date {
    return new Date(this.time);
  }

  /**
   * Moves the clock forwards. `set` can move it backwards.
   *
   * @throws RangeError if a part is negative or not finite, or if the new time is not a valid date
   */
  advance(duration: Duration): void {
    let length = 0;
    for (const [unit, milliseconds] of Object.entries(UNITS)) {
      const amount = duration[unit as keyof Duration] ?? 0;
      if (!Number.isFinite(amount) || amount < 0) {
        throw new RangeError(`FakeClock.advance() needs finite, non-negative numbers, not ${amount} ${unit}`);
      }
      length += amount * milliseconds;
    }
    this.time = valid(this.time + length);
  }

  /**
   * Sets the time, forwards or backwards.
   *
   * @throws RangeError if `time` is not a valid date
   */
  set(time: Date): void {
    this.time = valid(time.getTime());
  }
}

function valid(time: number): number {
  if (Number.isNaN(new Date(time).getTime())) throw new RangeError('FakeClock needs a valid date');
  return time;
}
