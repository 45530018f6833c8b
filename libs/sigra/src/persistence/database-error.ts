import { SigraError } from '../common/sigra-error.js';

/**
 * Classes of SQLSTATEs that a mistake of the program or of its input causes: wrong statements, wrong values, violated
 * constraints, exceeded limits, errors that triggers raise. The same statement fails again. All other errors count as an
 * outage: connections, resources, shutdown, timeouts, a standby, a changed password, lost privileges (42501), serialization
 * failures, deadlocks, internal errors.
 */
const MISTAKE = /^(?:0A|0B|0F|0L|0P|0Z|10|20|21|22|23|24|26|27|2B|2D|2F|34|38|39|3B|3F|42(?!501)|44|54|P0)/;

/**
 * SQLSTATEs of a race lost to another transaction: unique violation, serialization failure, deadlock, lock not
 * available.
 */
const LOST_RACE: ReadonlySet<string> = new Set(['23505', '40001', '40P01', '55P03']);

/**
 * SQLSTATEs of a prepared statement that does not exist, exists already, or has another result type. They occur behind a
 * transaction pooler, where statements of one client reach different servers.
 */
const NOT_KEPT: ReadonlySet<string> = new Set(['26000', '42P05', '0A000']);

/** SQLSTATEs of a text that is invalid for a type: its syntax, or its range. */
const INVALID_VALUE: ReadonlySet<string> = new Set(['22P02', '22003']);

/**
 * SQLSTATEs with which a server ends a session. A COMMIT can get such an answer although it has committed.
 */
const SESSION_ENDED = /^(?:08|57P|25P03|25P04|58|XX)/;

/**
 * The class of SQLSTATEs of exhausted resources. They refuse a COMMIT as an ordinary ERROR, but a disk without space for the
 * write-ahead log is a PANIC: the record of the commit is written or not.
 */
const EXHAUSTED = '53';

/**
 * Judges an error of PostgreSQL, the driver, the pool or TypeORM. Call it where they are called: an error from anywhere else is
 * not one of theirs.
 *
 * @returns the error itself for a mistake, otherwise `unavailable`
 */
export function judged(error: unknown): unknown {
  if (error instanceof SigraError) return error;
  const code = sqlState(error);
  if (code !== undefined && MISTAKE.test(code)) return error;
  return new SigraError('unavailable', 'The database did not answer.', { cause: error });
}

/** Whether a text could not be cast to a type. */
export function isInvalidValue(error: unknown): boolean {
  return INVALID_VALUE.has(sqlState(error) ?? '');
}

/** Errors of TypeORM and the driver for a connection that is known to be lost: nothing was sent. */
const NOT_SENT = /already released|not queryable/i;

/** Judges an error of COMMIT: without a refusal from the server, it is not known whether the transaction has committed. */
export function judgedCommit(error: unknown): unknown {
  const code = sqlState(error);
  if (code === undefined && error instanceof Error && NOT_SENT.test(error.message)) return judged(error);
  const isUnknown =
    code === undefined || SESSION_ENDED.test(code) || (code.startsWith(EXHAUSTED) && !isOrdinary(error));
  return isUnknown ? outcomeUnknown(error) : judged(error);
}

/** Whether the session continues. A severity in another language counts as one that ends it. */
function isOrdinary(error: unknown): boolean {
  return (error as { severity?: unknown }).severity === 'ERROR';
}

/** The error for a transaction whose COMMIT was sent but not answered. */
export function outcomeUnknown(cause?: unknown): SigraError {
  return new SigraError(
    'outcome_unknown',
    'The database did not confirm the change; it may have been made. Check before you repeat the request.',
    { cause },
  );
}

/** The SQLSTATE of an error or of its wrapped cause; undefined when the error is not from PostgreSQL. */
export function sqlState(error: unknown): string | undefined {
  const source = error instanceof SigraError ? error.cause : error;
  const code = (source as { code?: unknown } | null | undefined)?.code;
  // EPIPE also has five characters, but every SQLSTATE used here has a digit.
  return typeof code === 'string' && /^(?=.*[0-9])[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** Whether a statement failed because another transaction won a race. */
export function isLostRace(error: unknown): boolean {
  return LOST_RACE.has(sqlState(error) ?? '');
}

/** Whether the connection does not keep prepared statements. */
export function isNotKept(error: unknown): boolean {
  return NOT_KEPT.has(sqlState(error) ?? '');
}
