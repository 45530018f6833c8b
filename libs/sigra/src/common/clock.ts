import { Injectable } from '@nestjs/common';

/**
 * The source of time for everything that expires. Tests replace it with `FakeClock` of `nestjs-sigra/testing`.
 */
export abstract class Clock {
  /** The present. */
  abstract now(): Date;
}

/** Wall-clock time. The default. */
@Injectable()
export class SystemClock extends Clock {
  now(): Date {
    return new Date();
  }
}
