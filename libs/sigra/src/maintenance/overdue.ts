import { CronTime } from 'cron';
import { CLOCK_MARGIN_SECONDS, later } from '../common/clock.js';

/** Seconds between the runs of an application that runs clean-up itself: those of the default schedule. */
const DAY = 86_400;
/** Without a limit, the schedule would look at each day since 1970. */
const YEAR = 366 * DAY;

/**
 * Whether clean-up has missed two runs that had to delete a token. It deletes a token an hour after its expiry at the earliest.
 *
 * @param schedule `cleanup.schedule`; false counts as one run a day
 */
export function isOverdue(schedule: string | false, expiry: Date, now: Date): boolean {
  const earliest = Math.max(expiry.getTime(), later(now, -2 * YEAR).getTime());
  const deletable = later(new Date(earliest), CLOCK_MARGIN_SECONDS);
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
