import { Inject, Injectable, Logger } from '@nestjs/common';
import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import type { Caller } from '../common/caller.js';
import { type Deadline, deadlineOf, late } from '../common/deadline.js';
import { outwait } from '../common/outwait.js';
import { SigraConfigError } from '../config/sigra-config-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { surviveConnectionErrors } from './connection-errors.js';
import {
  asked,
  type ConnectionUse,
  GRACE_MS,
  type PgClient,
  replicated,
  type TakenConnection,
  takeConnection,
  type TakenRunner,
  takeRunner,
  useConnection,
} from './connection-use.js';
import { isLostRace, isNotKept, judged, judgedCommit } from './database-error.js';
import type { PreparedStatement, Row } from './prepared-statement.js';
import { QUALIFIED_NAMES, type QualifiedNames } from './qualified-names.js';
import { sigraEntities } from './sigra-entities.js';

/** The injection token of the DataSource that holds Sigra's tables. */
export const SIGRA_DATA_SOURCE = Symbol('SIGRA_DATA_SOURCE');

/** Injects the TypeORM DataSource that holds Sigra's tables: the one that the module's `dataSource` names. */
export const InjectSigraDataSource = (): ParameterDecorator & PropertyDecorator => Inject(SIGRA_DATA_SOURCE);

/** PostgreSQL's largest number of milliseconds of a timeout. */
const MAX_TIMEOUT_MS = 2_147_483_647;

/** How a transaction commits. */
export interface CommitOptions {
  /**
   * Whether the call resolves when standbys, too, have what it changed, as after `restrict`. Also one that changes nothing waits:
   * it can report the change of another call, which still waits. `false` for one that ends and narrows nothing, or that no caller
   * relies on. @default true
   */
  readonly settles?: boolean;
}

/**
 * Runs all of Sigra's SQL on the application's DataSource. No session state outlives a statement or transaction, so it works
 * through a transaction pooler.
 */
@Injectable()
export class SigraDatabase {
  private prepares: boolean;
  private refusal: Error | undefined;
  /** The uses whose work has an entity manager. */
  private readonly uses = new WeakMap<EntityManager, ConnectionUse>();

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
    if (!manager) return this.useRunner(({ runner }) => this.run<R>(runner, sql, values), timeout);
    if (this.uses.get(manager)?.state === 'given up') throw late();
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
    return this.use(
      ({ connection }, use) => this.execute<R>(connection, use, statement, values),
      this.config.lookupTimeout,
    );
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
    return this.use(({ connection }, use) => {
      use.state = 'committing';
      return replicated(connection, () => this.execute<R>(connection, use, statement, values, judgedCommit));
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
  async transaction<T>(
    work: (manager: EntityManager) => Promise<T>,
    timeout = this.config.lookupTimeout,
    { settles = true }: CommitOptions = {},
  ): Promise<T> {
    let committing: ConnectionUse | undefined;
    try {
      return await this.useRunner(async ({ runner, connection }, use) => {
        let result: T;
        try {
          // In here, because a transaction that was cancelled while it begins is open as well.
          await asked(() => runner.query(this.begin(use)));
          this.uses.set(runner.manager, use);
          result = await work(runner.manager);
          if (use.state === 'given up') throw late();
        } catch (error) {
          await this.rollBack(runner, connection);
          throw error;
        }
        use.state = 'committing';
        committing = use;
        await replicated(connection, () => asked(() => runner.query('COMMIT'), judgedCommit));
        for (const act of use.onCommit) act();
        return result;
      }, timeout);
    } finally {
      // Also when the outcome is unknown, and without a connection.
      if (this.config.replicas && committing && (settles || committing.restricts)) await this.settled();
    }
  }

  /**
   * Like `transaction`, for a change that must not lose: a deadlock, or another race that another transaction won, starts it
   * again, twice at most.
   */
  async retried<T>(
    deadline: Deadline,
    work: (manager: EntityManager) => Promise<T>,
    options?: CommitOptions,
  ): Promise<T> {
    for (let tries = 3; ; tries--) {
      try {
        return await this.transaction(work, deadline.left, options);
      } catch (error) {
        if (tries === 1 || !isLostRace(error)) throw error;
      }
    }
  }

  /**
   * Calls `act` when a transaction has committed, and not when it rolls back or its outcome is unknown. Nothing is known of the
   * application's own transactions.
   *
   * @param act must not throw
   */
  onCommit(manager: EntityManager, act: () => void): void {
    this.uses.get(manager)?.onCommit.push(act);
  }

  /** Marks a transaction that ends or narrows something after all: it waits, whatever its `settles` says. */
  restrict(manager: EntityManager): void {
    const use = this.uses.get(manager);
    if (use) use.restricts = true;
  }

  /**
   * Waits until no read of a standby can miss what was committed before this call, on any node: for the lease. Without `replicas`,
   * at once.
   */
  async settled(): Promise<void> {
    if (this.config.replicas) await outwait(this.config.replicas.leaseMilliseconds);
  }

  /** From now on everything is rejected with this error. */
  rejectAll(error: Error): void {
    this.refusal = error;
  }

  /** The deadline of a call that begins now: what its request has left of `lookupTimeout`. */
  deadlineOf(caller: Caller): Deadline {
    return deadlineOf(caller, this.config.lookupTimeout);
  }

  /** One message: the isolation level and the limits of the application do not count. */
  private begin({ deadline }: ConnectionUse): string {
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
  private async rollBack(runner: QueryRunner, connection: PgClient): Promise<void> {
    try {
      await runner.query('ROLLBACK');
    } catch {
      // Without waiting: a connection that is silent never answers.
      void connection.end();
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
    connection: PgClient,
    use: ConnectionUse,
    statement: PreparedStatement,
    values: readonly unknown[],
    judge = judged,
  ): Promise<R[]> {
    if (this.prepares) {
      try {
        return await this.send<R>(connection, statement, values);
      } catch (error) {
        if (!isNotKept(error)) throw judge(error);
        this.stopPreparing(error);
        // It was refused before it began, so nothing has changed.
        if (use.state === 'given up') throw late();
      }
    }
    return asked(() => this.send<R>(connection, { text: statement.text }, values), judge);
  }

  /**
   * Uses the driver, because TypeORM's `query` cannot name a statement, and reports to the application's logger as
   * TypeORM does.
   */
  private async send<R extends object>(
    connection: PgClient,
    statement: { readonly name?: string; readonly text: string },
    values: readonly unknown[],
  ): Promise<R[]> {
    const { logger, options } = this.dataSource;
    const { text } = statement;
    const parameters = [...values];
    logger.logQuery(text, parameters);
    const start = performance.now();
    let rows: Row[];
    try {
      ({ rows } = await connection.query({ ...statement, values: parameters }));
    } catch (error) {
      logger.logQueryError(error as Error, text, parameters);
      throw error;
    }
    const milliseconds = Math.round(performance.now() - start);
    const { maxQueryExecutionTime: limit } = options;
    if (limit && milliseconds > limit) logger.logQuerySlow(milliseconds, text, parameters);
    return moved<R>(rows);
  }

  private stopPreparing(cause: unknown): void {
    if (!this.prepares) return;
    this.prepares = false;
    new Logger(SigraDatabase.name).warn(
      `A prepared statement could not be used: ${String(cause)}. Until this process ends, statements are sent unprepared, ` +
        'which takes longer. Behind a pooler that does not keep prepared statements, set preparedStatements: false',
    );
  }

  private use<T>(work: (taken: TakenConnection, use: ConnectionUse) => Promise<T>, timeout: number): Promise<T> {
    return this.refusal
      ? Promise.reject(this.refusal)
      : useConnection(() => takeConnection(this.dataSource), work, timeout);
  }

  private useRunner<T>(work: (taken: TakenRunner, use: ConnectionUse) => Promise<T>, timeout: number): Promise<T> {
    return this.refusal
      ? Promise.reject(this.refusal)
      : useConnection(() => takeRunner(this.dataSource), work, timeout);
  }
}

/** The rows of an answer of TypeORM: `[rows, count]` of UPDATE and DELETE, and the rows of everything else. */
function rowsOf<R extends object>(answer: unknown): R[] {
  const rows = answer as R[] | [R[], number];
  return moved(rows.length === 2 && Array.isArray(rows[0]) && typeof rows[1] === 'number' ? rows[0] : (rows as R[]));
}

/**
 * Moves rows out of the driver's result, which stays in memory longer and would promote them to the old generation, where
 * garbage collection is most expensive.
 */
function moved<R extends object>(rows: object[]): R[] {
  return rows.splice(0) as R[];
}
