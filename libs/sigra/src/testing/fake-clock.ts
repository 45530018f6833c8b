import { Clock } from '../index.js';

/** A length of time; the parts add up. */
export interface Duration {
  readonly milliseconds?: number;
  readonly seconds?: number;
  readonly minutes?: number;
  readonly hours?: number;
  readonly days?: number;
}

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

  /** @param start where the clock stands. @default now */
  constructor(start: Date = new Date()) {
    super();
    this.time = start.getTime();
  }

  now(): Date {
    return new Date(this.time);
  }

  advance(duration: Duration): void {
    const { milliseconds = 0, seconds = 0, minutes = 0, hours = 0, days = 0 } = duration;
    this.time += milliseconds + 1000 * (seconds + 60 * (minutes + 60 * (hours + 24 * days)));
  }

  set(time: Date): void {
    this.time = time.getTime();
  }
}
