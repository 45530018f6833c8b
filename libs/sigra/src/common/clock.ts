import { Injectable } from '@nestjs/common';
import { AcrossCopies } from './package-copies.js';

/**
 * The source of time for everything that expires. Tests replace it with `FakeClock` of `nestjs-sigra/testing`.
 */
export abstract class Clock {
  /** The current time. */
  abstract now(): Date;
}

/** Wall-clock time. The default. */
@Injectable()
@AcrossCopies('systemClock')
export class SystemClock extends Clock {
  now(): Date {
    return new Date();
  }
}

/**
 * The time of a clock that replaces the default, such as `FakeClock`; null for the default. Where the clocks of nodes must not
 * count, null stands for the time of the database.
 */
export function replacedTime(clock: Clock): Date | null {
  return clock instanceof SystemClock ? null : clock.now();
}

/**
 * The last millisecond of the year 9999, in milliseconds since 1970. PostgreSQL and JavaScript both represent every
 * time up to it.
 */
export const MAX_TIME = 253_402_300_799_999;

/** The earliest time that PostgreSQL can store, in milliseconds: the beginning of the year 4713 BC. */
export const MIN_TIME = -210_866_803_200_000;

/**
 * How far the clocks of nodes can differ, in seconds: a row stays for so long after its end, because another node can take it for
 * valid.
 */
export const CLOCK_MARGIN_SECONDS = 3600;

/** Whether a claim is a NumericDate (RFC 7519 section 2): seconds since 1970, within the range of dates. */
export function isNumericDate(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= MAX_TIME / 1000;
}

/** Whether an expiry has passed. Invalid dates, such as PostgreSQL's `-infinity`, count as expired; null never expires. */
export function hasExpired(expiresAt: Date | null, now: Date): boolean {
  return expiresAt !== null && !(expiresAt > now);
}

/**
 * Whether an end comes within the current second of Unix time: a JWT until then, whose times are full seconds, has no
 * lifetime.
 */
export function endsWithinSecond(end: Date | null, now: Date): boolean {
  if (end === null) return false;
  return !(Math.floor(end.getTime() / 1000) > Math.floor(now.getTime() / 1000));
}

/** The time this many seconds after another; before it, when they are negative. */
export function later(date: Date, seconds: number): Date {
  return new Date(date.getTime() + seconds * 1000);
}

/** The earlier of two ends. Null means no end. */
export function earliest(one: Date, other: Date | null): Date;
export function earliest(one: Date | null, other: Date | null): Date | null;
export function earliest(one: Date | null, other: Date | null): Date | null {
  return one && other ? (one < other ? one : other) : (one ?? other);
}
