import { SigraError } from '../common/sigra-error.js';

/**
 * SQLSTATEs of a temporary failure: connection, resources, operator intervention, statement timeout, a read-only standby,
 * serialization failure, deadlock, and a lock that is not available.
 */
const UNAVAILABLE = /^(?:08|53|57P|57014|25006|40001|40P01|55P03)/;

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

/** The error for callers: `unavailable` for a temporary failure, otherwise the error itself. */
export function translate(error: unknown): unknown {
  if (error instanceof SigraError) return error;
  const code = sqlState(error);
  const unreachable = code === undefined ? isConnectionFailure(error) : UNAVAILABLE.test(code);
  return unreachable ? new SigraError('unavailable', 'The database did not answer.', { cause: error }) : error;
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

function isConnectionFailure(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string' && /^(?:ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_AGAIN)/.test(code)) return true;
  return /connection terminated|timeout exceeded when trying to connect|not queryable|not (?:yet )?(?:established|connected)|pool after calling end|query read timeout/i.test(
    error.message,
  );
}
