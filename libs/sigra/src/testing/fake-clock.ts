import { Clock } from '../index.js';
import type { Duration } from './duration.js';

const UNITS = { milliseconds: 1, seconds: 1000, minutes: 60_000, hours: 3_600_000, days: 86_400_000 } as const;

/**
 * A clock that moves only when it is told to, so that no test sleeps. Put it in place of `Clock`:
 *
 * @example
 * const clock = new FakeClock();
 * Test.createTestingModule({ imports: [AppModule] }).overrideProvider(Clock).useValue(clock);
 * clock.advance({ days: 91 });
 */
export class FakeClock extends Clock {
  private time: number;

  /**
   * @param start where the clock stands. @default now
   * @throws RangeError when it is not a valid date
   */
  constructor(start: Date = new Date()) {
    super();
    this.time = valid(start.getTime());
  }

  /** Where the clock stands. The date is the caller's own: changing it does not move the clock. */
  now(): Date {
    return new Date(this.time);
  }

  /**
   * Moves the clock forwards. To move it back, as an operator may, use `set`.
   *
   * @throws RangeError when a part is negative or no finite number: such a test would not test what it says
   */
  advance(duration: Duration): void {
    let length = 0;
    for (const [unit, milliseconds] of Object.entries(UNITS)) {
      const amount = duration[unit as keyof Duration] ?? 0;
      if (!Number.isFinite(amount) || amount < 0) {
        throw new RangeError(`FakeClock moves forwards by a finite length of time, not by ${amount} ${unit}`);
      }
      length += amount * milliseconds;
    }
    this.time = valid(this.time + length);
  }

  /**
   * Puts the clock at an instant, later or earlier.
   *
   * @throws RangeError when it is not a valid date
   */
  set(time: Date): void {
    this.time = valid(time.getTime());
  }
}

function valid(time: number): number {
  if (Number.isNaN(new Date(time).getTime())) throw new RangeError('FakeClock needs a valid date to stand at');
  return time;
}
