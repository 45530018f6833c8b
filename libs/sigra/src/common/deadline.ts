import type { Caller } from './caller.js';
import { refuse, type SigraError } from './sigra-error.js';

/** The time by which a call has to be answered, however many steps it takes. */
export class Deadline {
  /** @param at in milliseconds of `performance.now()` */
  constructor(private readonly at: number) {}

  /** A deadline in so many milliseconds. */
  static after(milliseconds: number): Deadline {
    return new Deadline(performance.now() + milliseconds);
  }

  /** Milliseconds that are left, at least 1. */
  get left(): number {
    return Math.max(this.at - performance.now(), 1);
  }

  get isOver(): boolean {
    return performance.now() >= this.at;
  }

  /**
   * Waits for steps that change nothing.
   *
   * @param error makes the error at the deadline. @default that of a database that did not answer
   * @param options `keepsAlive`: whether the process waits for the deadline. @default true
   * @throws SigraError `unavailable` at the deadline; also the errors of the steps
   */
  async limit<T>(
    steps: Promise<T>,
    error: () => SigraError = late,
    { keepsAlive = true }: { readonly keepsAlive?: boolean } = {},
  ): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const end = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(error());
      }, this.left);
      if (!keepsAlive) timer.unref();
    });
    try {
      return await Promise.race([steps, end]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The least time of a call, in milliseconds, also when the steps before it have used up the time of the request. */
const LEAST_MS = 500;
/** A shorter wait does not count, in milliseconds: the step after it needs no timer. */
const SHORT_MS = 50;

/**
 * The deadline of a call that begins now: the rest of the time of its request.
 *
 * @param limit the time of a request, in milliseconds
 */
export function deadlineOf({ waitingSince }: Pick<Caller, 'waitingSince'>, limit: number): Deadline {
  const now = performance.now();
  return new Deadline(Math.max((waitingSince ?? now) + limit, now + Math.min(limit, LEAST_MS)));
}

/**
 * Limits a read that waits up to `limit` by itself, if the steps before it have used up some of the time. Usually they have
 * not, and a request needs no timer of its own.
 *
 * @param limit the time of a request, in milliseconds
 * @throws SigraError `unavailable` at the deadline; also the errors of the read
 */
export function limitFurther<T>(caller: Pick<Caller, 'waitingSince'>, limit: number, read: Promise<T>): Promise<T> {
  const { waitingSince = Infinity } = caller;
  return performance.now() - waitingSince < SHORT_MS ? read : deadlineOf(caller, limit).limit(read);
}

/** The error for a call that the database did not answer in time: nothing has changed. */
export function late(): SigraError {
  return refuse('unavailable', 'The database did not answer in time.');
}

/** The error for a call that waits for a function of the application. */
export function unanswered(): SigraError {
  return refuse('unavailable', 'The application did not answer in time.');
}

/** How long the start and the shutdown of the application wait for background work, in milliseconds. */
const BRIEFLY_MS = 5000;

/**
 * Waits for background work at the start, or at a shutdown, which ends it with its current batch. Never rejects, and returns
 * after five seconds at the latest.
 */
export async function awaitBriefly(work: Promise<unknown>): Promise<void> {
  await Deadline.after(BRIEFLY_MS)
    .limit(work)
    .catch(() => undefined);
}
