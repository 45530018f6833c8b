import { setTimeout as delay } from 'node:timers/promises';
import type { DataSource, QueryRunner } from 'typeorm';
import { late } from '../common/deadline.js';
import { type Cancellable, requestCancel } from './cancel-request.js';
import { judged, outcomeUnknown } from './database-error.js';
import type { Row } from './prepared-statement.js';

/** The parts of a client of `pg` that are used here. */
export interface PgClient extends Cancellable {
  /** Absent in a driver other than `pg`. */
  readonly connectionParameters?: { query_timeout?: number | false | undefined };
  query(statement: { name?: string; text: string; values: unknown[] }): Promise<{ rows: Row[] }>;
  end(): Promise<void>;
  on(event: 'notice', listener: (notice: Notice) => void): unknown;
  on(event: 'error', listener: () => void): unknown;
  off(event: 'notice', listener: (notice: Notice) => void): unknown;
  listenerCount(event: 'error'): number;
}

/** The driver of TypeORM for `pg`. */
interface PoolDriver {
  /** Resolves to a client of the pool, and the function that gives it back. */
  obtainMasterConnection(): Promise<readonly [PgClient, () => void]>;
}

/** A message of the server beside its answer. */
interface Notice {
  /** The name of a function of the server, which no setting translates. */
  readonly routine?: string;
}

/** A connection that is taken from the pool. */
export interface TakenConnection {
  readonly connection: PgClient;
  /** Gives it back, the first time that it is called. */
  readonly release: () => unknown;
}

/** One that TypeORM uses as well. */
export interface TakenRunner extends TakenConnection {
  readonly runner: QueryRunner;
}

/** One use of a connection, which its caller can give up. */
export interface ConnectionUse {
  /** Milliseconds of `performance.now()`. */
  readonly deadline: number;
  /** `given up`: nothing more is sent. `committing`: what was sent last commits. */
  state: 'working' | 'committing' | 'given up';
  /** Called when the transaction has committed. */
  readonly onCommit: (() => void)[];
  /** Whether the transaction ends or narrows something; see `SigraDatabase.restrict`. */
  restricts: boolean;
}

/**
 * The time until a connection that does not react to a cancel request is closed. Callers are answered within `lookupTimeout` and a
 * second, so a quarter of a second is left for a busy process.
 */
export const GRACE_MS = 750;

/**
 * Runs `work` on a separate connection. At the timeout the caller is answered, the statement is cancelled on the server, and
 * the connection is returned to the pool when the server has ended it, so that callers cannot use more connections than the
 * pool has. A connection that does not react, as after a fail-over, is closed. While the work is committing, the caller is
 * not answered before one of both.
 *
 * @param take takes the connection: `takeConnection` or `takeRunner`
 */
export function useConnection<C extends TakenConnection, T>(
  take: () => Promise<C>,
  work: (taken: C, use: ConnectionUse) => Promise<T>,
  timeout: number,
): Promise<T> {
  // One promise and no race: each verification without others beside it takes a connection.
  return new Promise((resolve, reject) => {
    const use: ConnectionUse = {
      deadline: performance.now() + timeout,
      state: 'working',
      onCommit: [],
      restricts: false,
    };
    let taken: C | undefined;
    let restore: (() => void) | undefined;
    let cancelled: Promise<void> | undefined;
    const release = () => {
      restore?.();
      return taken?.release();
    };
    const perform = async () => {
      taken = await take();
      if (use.state === 'given up') throw late();
      restore = withoutReadTimeout(taken.connection);
      return work(taken, use);
    };
    const worked = perform();
    const timer = setTimeout(() => {
      if (use.state !== 'committing') reject(late());
      use.state = 'given up';
      if (taken) cancelled = giveUp(taken.connection, worked, release);
    }, timeout);
    const end = async () => {
      clearTimeout(timer);
      if (cancelled) await cancelled;
      await release();
    };
    worked.then(
      (result) => end().then(() => resolve(result), reject),
      (error: unknown) => end().then(() => reject(error as Error), reject),
    );
  });
}

/** Takes a connection from the driver's pool: TypeORM's objects around it would cost a read more than its decoding. */
export async function takeConnection({ driver }: DataSource): Promise<TakenConnection> {
  const [connection, free] = await asked(() => (driver as unknown as PoolDriver).obtainMasterConnection());
  // The pool has stopped to listen, and an error event without a listener ends a process; see `surviveConnectionErrors`, which
  // does not know the pool of a DataSource that was initialized again.
  if (connection.listenerCount('error') === 0) connection.on('error', () => undefined);
  let isTaken = true;
  const release = () => {
    if (isTaken) free();
    isTaken = false;
  };
  return { connection, release };
}

/** Takes a connection with TypeORM's objects around it. */
export async function takeRunner(dataSource: DataSource): Promise<TakenRunner> {
  const runner = dataSource.createQueryRunner();
  const connection = await asked(() => runner.connect() as Promise<PgClient>);
  return { connection, runner, release: () => runner.release() };
}

/** The function of PostgreSQL that waits for a synchronous standby. */
const STANDBY_WAIT = 'SyncRepWaitForLSN';

/**
 * Commits. PostgreSQL confirms a commit whose wait for a synchronous standby was cancelled, with a warning: a fail-over to that
 * standby would lose it, so its outcome is unknown.
 */
export async function replicated<T>(connection: PgClient, commit: () => Promise<T>): Promise<T> {
  const routines = new Set<string | undefined>();
  const listen = ({ routine }: Notice) => {
    routines.add(routine);
  };
  connection.on('notice', listen);
  try {
    const result = await commit();
    if (routines.has(STANDBY_WAIT)) throw outcomeUnknown();
    return result;
  } finally {
    connection.off('notice', listen);
  }
}

/** Asks the driver or TypeORM, whose errors are judged; nothing else may be in `ask`. */
export async function asked<T>(ask: () => Promise<T>, judge = judged): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw judge(error);
  }
}

/**
 * Turns off the `query_timeout` of the driver while a connection is in use here. It would reject while the statement runs
 * on, so that the next user of the connection waits behind it. Each use has a deadline of its own, which cancels the
 * statement.
 *
 * @returns restores it
 */
function withoutReadTimeout({ connectionParameters }: PgClient): () => void {
  const { query_timeout: timeout } = connectionParameters ?? {};
  if (!connectionParameters || !timeout) return () => undefined;
  connectionParameters.query_timeout = false;
  return () => {
    connectionParameters.query_timeout = timeout;
  };
}

/**
 * Ends the work of a connection: by cancel requests or, if it does not end within the grace period, by closing it. A request that
 * overtakes its statement ends nothing, and a closed connection does not end a statement that waits for a lock, so that the
 * request is repeated.
 *
 * @param release gives a closed connection back without waiting for the work: code of the application in it can hang forever
 */
async function giveUp(connection: PgClient, worked: Promise<unknown>, release: () => unknown): Promise<void> {
  const ended = new AbortController();
  const closing = setTimeout(() => {
    void connection.end();
    void release();
    void requestCancel(connection, GRACE_MS);
  }, GRACE_MS);
  const cancelling = repeatCancel(connection, ended.signal);
  await worked.catch(() => undefined);
  clearTimeout(closing);
  ended.abort();
  // Before the connection is used again: the request must not meet another statement.
  await cancelling;
}

/** Sends cancel requests, with pauses that double, until the work has ended or the grace period is over. */
async function repeatCancel(connection: PgClient, ended: AbortSignal): Promise<void> {
  for (let pause = GRACE_MS / 16; !ended.aborted && pause < GRACE_MS; pause *= 2) {
    await requestCancel(connection, GRACE_MS);
    await delay(pause, undefined, { signal: ended }).catch(() => undefined);
  }
}
