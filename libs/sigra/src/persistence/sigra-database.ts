import { createHash } from 'node:crypto';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import type { Caller } from '../common/caller.js';
import { type Deadline, deadlineOf, late } from '../common/deadline.js';
import { SigraConfigError } from '../config/sigra-config-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { type Cancellable, requestCancel } from './cancel-request.js';
import { surviveConnectionErrors } from './connection-errors.js';
import { isLostRace, isNotKept, judged, judgedCommit, outcomeUnknown } from './database-error.js';
import { QUALIFIED_NAMES, type QualifiedNames } from './qualified-names.js';
import { sigraEntities } from './sigra-entities.js';

/** The injection token of the DataSource that holds Sigra's tables. */
export const SIGRA_DATA_SOURCE = Symbol('SIGRA_DATA_SOURCE');

/** Injects the TypeORM DataSource that holds Sigra's tables: the one that the module's `dataSource` names. */
export const InjectSigraDataSource = (): ParameterDecorator & PropertyDecorator => Inject(SIGRA_DATA_SOURCE);

/** A row as the driver returns it. */
export type Row = Readonly<Record<string, unknown>>;

/** A statement that PostgreSQL parses once per connection. */
export interface PreparedStatement {
  readonly name: string;
  readonly text: string;
}

/** Names a statement by the hash of its text, so that on a shared connection the same name is always the same statement. */
export function preparedStatement(text: string): PreparedStatement {
  return { name: `sigra_${createHash('sha256').update(text).digest('hex').slice(0, 24)}`, text };
}

interface PgClient extends Cancellable {
  /** Absent in a driver other than `pg`. */
  readonly connectionParameters?: { query_timeout?: number | false | undefined };
  query(statement: PreparedStatement & { values: unknown[] }): Promise<{ rows: Row[] }>;
  end(): Promise<void>;
  on(event: 'notice', listener: (notice: Notice) => void): unknown;
  off(event: 'notice', listener: (notice: Notice) => void): unknown;
}

/** A message of the server beside its answer. */
interface Notice {
  /** The name of a function of the server, which no setting translates. */
  readonly routine?: string;
}

/** One use of a connection, which its caller can give up. */
interface Attempt {
  readonly runner: QueryRunner;
  /** Milliseconds of `performance.now()`. */
  readonly deadline: number;
  /** `given up`: nothing more is sent. `committing`: what was sent last commits. */
  state: 'working' | 'committing' | 'given up';
}

/** The time until a connection that does not react to a cancel request is closed. */
const GRACE_MS = 1000;
/** PostgreSQL's largest number of milliseconds of a timeout. */
const MAX_TIMEOUT_MS = 2_147_483_647;

/**
 * Runs all of Sigra's SQL on the application's DataSource. No session state outlives a statement or transaction, so it works
 * through a transaction pooler.
 */
@Injectable()
export class SigraDatabase {
  private prepares: boolean;
  private refusal: Error | undefined;
  /** The attempts whose work has an entity manager. */
  private readonly attempts = new WeakMap<EntityManager, Attempt>();

  constructor(
    @InjectSigraDataSource() readonly dataSource: DataSource,
    @InjectSigraConfig() private readonly config: SigraConfig,
    /** The names of Sigra's tables. */
    @Inject(QUALIFIED_NAMES) readonly names: QualifiedNames,
  ) {
    if (dataSource.options.type !== 'postgres') {
      throw new SigraConfigError('dataSource', `must be of type "postgres", not "${dataSource.options.type}"`);
    }
    if (!sigraEntities.every((entity) => dataSource.hasMetadata(entity))) {
      // TypeORM knows no entity before, so that the other message would be wrong.
      if (!dataSource.isInitialized) {
        throw new SigraConfigError(
          'dataSource',
          'is not initialized, but Sigra reads its tables when the application boots; remove manualInitialization, or initialize the DataSource in dataSourceFactory of TypeOrmModule.forRootAsync()',
        );
      }
      throw new SigraConfigError(
        'dataSource',
        `does not know Sigra's tables; add ...sigraEntities to its entities and ...sigraMigrations to its migrations`,
      );
    }
    this.prepares = config.preparedStatements;
    surviveConnectionErrors(dataSource);
  }

  /**
   * Runs one statement that reads, or one of a transaction. A change of its own uses `change` or `transaction`.
   *
   * @param manager the transaction to run in. @default a transaction of its own
   * @param timeout milliseconds until the statement is cancelled; ignored with `manager`. @default `lookupTimeout`
   * @throws SigraError `unavailable` when the server cannot be reached, or does not answer in time
   */
  async query<R extends object = Row>(
    sql: string,
    values: readonly unknown[],
    manager?: EntityManager,
    timeout = this.config.lookupTimeout,
  ): Promise<R[]> {
    if (!manager) return this.onConnection(({ runner }) => this.run<R>(runner, sql, values), timeout);
    if (this.attempts.get(manager)?.state === 'given up') throw late();
    return this.run<R>(manager, sql, values);
  }

  /** Like `query`, for a statement that returns exactly one row. */
  async queryOne<R extends object>(
    sql: string,
    values: readonly unknown[],
    manager?: EntityManager,
    timeout?: number,
  ): Promise<R> {
    const [row] = await this.query<R>(sql, values, manager, timeout);
    if (row === undefined) throw new Error('sigra: the statement returned no row');
    return row;
  }

  /**
   * Runs a prepared SELECT: saving to parse and to plan it takes as long as finding about twenty rows. If a connection does not
   * keep the statement, as behind some poolers, this and all later statements are sent unprepared.
   *
   * @throws SigraError `unavailable` when the server cannot be reached, or does not answer in time
   */
  read<R extends object = Row>(statement: PreparedStatement, values: readonly unknown[]): Promise<R[]> {
    return this.onConnection((attempt) => this.execute<R>(attempt, statement, values), this.config.lookupTimeout);
  }

  /**
   * Runs one prepared statement that changes something and commits itself, in a single round trip. At the timeout it is
   * cancelled, and the caller is answered when the server has confirmed how it ended, within a second.
   *
   * @param timeout milliseconds until the statement is cancelled
   * @throws SigraError `unavailable` when nothing has changed; `outcome_unknown` when the server did not say
   */
  change<R extends object = Row>(
    statement: PreparedStatement,
    values: readonly unknown[],
    timeout: number,
  ): Promise<R[]> {
    return this.onConnection((attempt) => {
      attempt.state = 'committing';
      return replicated(attempt.runner, () => this.execute<R>(attempt, statement, values, judgedCommit));
    }, timeout);
  }

  /**
   * Runs `work` in a transaction with the isolation level READ COMMITTED: commits when it resolves, and rolls back when it
   * rejects. Nothing is committed after the timeout, unless COMMIT was sent before it. The server ends the transaction, too, and
   * releases its locks, when this process or the network falls silent.
   *
   * @param timeout milliseconds until the transaction is cancelled. @default `lookupTimeout`
   * @throws SigraError `unavailable` when the server cannot be reached, or does not answer in time; nothing has changed.
   * `outcome_unknown` when COMMIT was sent but not answered
   */
  transaction<T>(work: (manager: EntityManager) => Promise<T>, timeout = this.config.lookupTimeout): Promise<T> {
    return this.onConnection(async (attempt) => {
      const { runner } = attempt;
      let result: T;
      try {
        // In here, because a transaction that was cancelled while it begins is open as well.
        await asked(() => runner.query(this.begin(attempt)));
        this.attempts.set(runner.manager, attempt);
        result = await work(runner.manager);
        if (attempt.state === 'given up') throw late();
      } catch (error) {
        await this.rollBack(runner);
        throw error;
      }
      attempt.state = 'committing';
      await replicated(runner, () => asked(() => runner.query('COMMIT'), judgedCommit));
      return result;
    }, timeout);
  }

  /**
   * Like `transaction`, for a change that must not lose: a deadlock, or another race that another transaction won, starts it again,
   * twice at most.
   */
  async retried<T>(deadline: Deadline, work: (manager: EntityManager) => Promise<T>): Promise<T> {
    for (let tries = 3; ; tries--) {
      try {
        return await this.transaction(work, deadline.left);
      } catch (error) {
        if (tries === 1 || !isLostRace(error)) throw error;
      }
    }
  }

  /** From now on everything is rejected with this error. */
  refuse(error: Error): void {
    this.refusal = error;
  }

  /** The deadline of a call that begins now: what its request has left of `lookupTimeout`. */
  deadlineOf(caller: Caller): Deadline {
    return deadlineOf(caller, this.config.lookupTimeout);
  }

  /** One message: the isolation level and the limits of the application do not count. */
  private begin({ deadline }: Attempt): string {
    const left = Math.min(Math.max(Math.ceil(deadline - performance.now()), 1), MAX_TIMEOUT_MS - GRACE_MS);
    const limits = { statement_timeout: left, idle_in_transaction_session_timeout: left };
    // Only this one limits a transaction of many short statements.
    const since17 = Number.parseInt(this.dataSource.driver.version ?? '', 10) >= 17;
    const all = Object.entries({ ...limits, ...(since17 && { transaction_timeout: left + GRACE_MS / 2 }) });
    return [
      'START TRANSACTION ISOLATION LEVEL READ COMMITTED',
      ...all.map(([name, milliseconds]) => `SET LOCAL ${name} = ${milliseconds}`),
    ].join('; ');
  }

  /** A connection that cannot roll back is closed, which rolls back as well. */
  private async rollBack(runner: QueryRunner): Promise<void> {
    try {
      await runner.query('ROLLBACK');
    } catch {
      const connection = await connect(runner).catch(() => undefined);
      // Without waiting: a connection that is silent never answers.
      void connection?.end();
    }
  }

  private async run<R extends object>(
    runner: Pick<QueryRunner, 'query'> | EntityManager,
    sql: string,
    values: readonly unknown[],
  ): Promise<R[]> {
    return rowsOf<R>(await asked(() => runner.query(sql, [...values])));
  }

  private async execute<R extends object>(
    attempt: Attempt,
    statement: PreparedStatement,
    values: readonly unknown[],
    judge = judged,
  ): Promise<R[]> {
    if (this.prepares) {
      try {
        return await this.executePrepared<R>(attempt.runner, statement, values);
      } catch (error) {
        if (!isNotKept(error)) throw judge(error);
        this.stopPreparing(error);
        // It was refused before it began, so nothing has changed.
        if (attempt.state === 'given up') throw late();
      }
    }
    return rowsOf<R>(await asked(() => attempt.runner.query(statement.text, [...values]), judge));
  }

  /**
   * Uses the driver, because TypeORM's `query` cannot name a statement, and reports to the application's logger as
   * TypeORM does.
   */
  private async executePrepared<R extends object>(
    runner: QueryRunner,
    { name, text }: PreparedStatement,
    values: readonly unknown[],
  ): Promise<R[]> {
    const { logger, options } = this.dataSource;
    const parameters = [...values];
    const client = (await runner.connect()) as PgClient;
    logger.logQuery(text, parameters, runner);
    const start = performance.now();
    let rows: Row[];
    try {
      ({ rows } = await client.query({ name, text, values: parameters }));
    } catch (error) {
      logger.logQueryError(error as Error, text, parameters, runner);
      throw error;
    }
    const milliseconds = Math.round(performance.now() - start);
    const { maxQueryExecutionTime: limit } = options;
    if (limit && milliseconds > limit) logger.logQuerySlow(milliseconds, text, parameters, runner);
    return rowsOf<R>(rows);
  }

  private stopPreparing(cause: unknown): void {
    if (!this.prepares) return;
    this.prepares = false;
    new Logger(SigraDatabase.name).warn(
      `A prepared statement could not be used: ${String(cause)}. Until this process ends, statements are sent unprepared, ` +
        'which takes longer. Behind a pooler that does not keep prepared statements, set preparedStatements: false',
    );
  }

  /**
   * Runs `work` on a separate connection. At the timeout the caller is answered, the statement is cancelled on the server, and
   * the connection is returned to the pool when the server has ended it, so that callers cannot use more connections than the
   * pool has. A connection that does not react, as after a fail-over, is closed. While the work is committing, the caller is
   * not answered before one of both.
   */
  private async onConnection<T>(work: (attempt: Attempt) => Promise<T>, timeout: number): Promise<T> {
    if (this.refusal) throw this.refusal;
    const runner = this.dataSource.createQueryRunner();
    const attempt: Attempt = { runner, deadline: performance.now() + timeout, state: 'working' };
    let connection: PgClient | undefined;
    let cancelled: Promise<void> | undefined;
    let restore: (() => void) | undefined;
    const worked = (async () => {
      connection = await connect(runner);
      if (attempt.state === 'given up') throw late();
      restore = withoutReadTimeout(connection);
      return work(attempt);
    })();
    const release = () => {
      restore?.();
      return runner.release();
    };
    const released = worked.finally(async () => {
      await cancelled;
      await release();
    });
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        if (attempt.state !== 'committing') reject(late());
        attempt.state = 'given up';
        if (connection) cancelled = giveUp(connection, worked, release);
      }, timeout);
    });
    try {
      return await Promise.race([released, deadline]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function connect(runner: QueryRunner): Promise<PgClient> {
  return asked(() => runner.connect() as Promise<PgClient>);
}

/** The function of PostgreSQL that waits for a synchronous standby. */
const STANDBY_WAIT = 'SyncRepWaitForLSN';

/**
 * Commits. PostgreSQL confirms a commit whose wait for a synchronous standby was cancelled, with a warning: a fail-over to that
 * standby would lose it, so its outcome is unknown.
 */
async function replicated<T>(runner: QueryRunner, commit: () => Promise<T>): Promise<T> {
  const connection = await connect(runner);
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
async function asked<T>(ask: () => Promise<T>, judge = judged): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw judge(error);
  }
}

/**
 * Turns off the `query_timeout` of the driver while a connection is in use here. It would reject while the statement runs on, so that
 * the next user of the connection waits behind it. Each use has a deadline of its own, which cancels the statement.
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
 * Ends the work of a connection: by a cancel request or, if it does not end within the grace period, by closing it.
 *
 * @param release gives a closed connection back without waiting for the work: code of the application in it can hang forever
 */
async function giveUp(connection: PgClient, worked: Promise<unknown>, release: () => Promise<unknown>): Promise<void> {
  const closing = setTimeout(() => {
    void connection.end();
    void release();
  }, GRACE_MS);
  const cancelling = requestCancel(connection, GRACE_MS);
  await worked.catch(() => undefined);
  clearTimeout(closing);
  // Before the connection is used again: the request must not meet another statement.
  await cancelling;
}

/**
 * The rows of an answer. TypeORM answers UPDATE and DELETE with `[rows, count]`, and everything else with the rows. The rows
 * are moved out of the driver's result, which stays in memory longer and would promote them to the old generation, where
 * garbage collection is most expensive.
 */
function rowsOf<R extends object>(answer: unknown): R[] {
  const rows = answer as R[] | [R[], number];
  const own = rows.length === 2 && Array.isArray(rows[0]) && typeof rows[1] === 'number' ? rows[0] : (rows as R[]);
  return own.splice(0);
}
