import { CronTime } from 'cron';
import { CLOCK_MARGIN_SECONDS, later } from '../common/clock.js';
import type { SigraConfig } from '../config/sigra-config.js';

/** Seconds between the runs of an application that runs clean-up itself: those of the default schedule. */
const DAY = 86_400;
/** Without a limit, the schedule would look at each day since 1970. */
const YEAR = 366 * DAY;

/** Seconds that clean-up keeps an expired token that a rotation replaced: a report of a leak can still end its successors. */
export function keptAfterRotation({ leaks }: Pick<SigraConfig, 'leaks'>): number {
  return Math.max(CLOCK_MARGIN_SECONDS, leaks.rotatedWithin);
}

/**
 * Whether clean-up has missed two runs that had to delete a token. It deletes a token an hour after its expiry at the earliest.
 *
 * @param schedule `cleanup.schedule`; false counts as one run a day
 * @param kept seconds for which it can keep the token. @default an hour
 */
export function isOverdue(
  schedule: string | false,
  expiry: Date,
  now: Date,
  kept: number = CLOCK_MARGIN_SECONDS,
): boolean {
  const earliest = Math.max(expiry.getTime(), later(now, -2 * YEAR).getTime());
  const deletable = later(new Date(earliest), kept);
  const missed = schedule === false ? later(deletable, 2 * DAY) : secondRun(schedule, deletable);
  return missed !== undefined && missed <= now;
}

/** Undefined when it is years away. */
function secondRun(schedule: string, from: Date): Date | undefined {
  try {
    const time = new CronTime(schedule);
    const first = time.getNextDateFrom(from).toJSDate();
    return time.getNextDateFrom(first).toJSDate();
  } catch {
    return undefined;
  }
}
