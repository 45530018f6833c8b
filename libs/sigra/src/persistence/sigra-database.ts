import { createHash } from 'node:crypto';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import { SigraError } from '../common/sigra-error.js';
import { SigraConfigError } from '../config/sigra-config-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { isNotKept, translate } from './database-error.js';
import { QUALIFIED_NAMES, type QualifiedNames } from './qualified-names.js';
import { sigraEntities } from './sigra-entities.js';

/** The injection token of the DataSource that holds Sigra's tables. */
export const SIGRA_DATA_SOURCE = Symbol('SIGRA_DATA_SOURCE');

/** Injects the TypeORM DataSource that holds Sigra's tables: the one that the module's `dataSource` names. */
export const InjectSigraDataSource = (): ParameterDecorator & PropertyDecorator => Inject(SIGRA_DATA_SOURCE);

/** A row as the driver returns it. */
export type Row = Readonly<Record<string, unknown>>;

/** A SELECT that PostgreSQL parses once per connection. */
export interface PreparedStatement {
  readonly name: string;
  readonly text: string;
}

/** Names a statement by the hash of its text, so that on a shared connection the same name is always the same statement. */
export function preparedStatement(text: string): PreparedStatement {
  return { name: `sigra_${createHash('sha256').update(text).digest('hex').slice(0, 24)}`, text };
}

interface PgClient {
  query(statement: PreparedStatement & { values: unknown[] }): Promise<{ rows: Row[] }>;
  end(): Promise<void>;
}

/**
 * Runs all of Sigra's SQL on the application's DataSource. No session state outlives a statement or transaction, so it works
 * through a transaction pooler.
 */
@Injectable()
export class SigraDatabase {
  private prepares: boolean;

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
      throw new SigraConfigError(
        'dataSource',
        `does not know Sigra's tables; add ...sigraEntities to its entities and ...sigraMigrations to its migrations`,
      );
    }
    this.prepares = config.preparedStatements;
  }

  /**
   * Runs one statement.
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
    try {
      const answer = manager
        ? manager.query<unknown>(sql, [...values])
        : this.onConnection((runner) => runner.query(sql, [...values]) as Promise<unknown>, timeout);
      return rowsOf<R>(await answer);
    } catch (error) {
      throw translate(error);
    }
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
   * Runs a prepared statement, which saves parsing and planning: together they take as long as finding about twenty
   * rows. If a connection does not keep it, as behind some poolers, this and all later statements are sent unprepared.
   *
   * @throws SigraError `unavailable` when the server cannot be reached, or does not answer in time
   */
  async read<R extends object = Row>(statement: PreparedStatement, values: readonly unknown[]): Promise<R[]> {
    if (!this.prepares) return this.query<R>(statement.text, values);
    try {
      return await this.onConnection((runner) => this.execute<R>(runner, statement, values), this.config.lookupTimeout);
    } catch (error) {
      if (!isNotKept(error)) throw translate(error);
      this.stopPreparing(error);
      return this.query<R>(statement.text, values);
    }
  }

  /**
   * Runs `work` in a transaction: commits when it resolves, and rolls back when it rejects.
   *
   * @param timeout milliseconds until the transaction is cancelled. @default `lookupTimeout`
   * @throws SigraError `unavailable` when the server cannot be reached, or does not answer in time
   */
  async transaction<T>(work: (manager: EntityManager) => Promise<T>, timeout = this.config.lookupTimeout): Promise<T> {
    try {
      return await this.onConnection((runner) => runner.manager.transaction(work), timeout);
    } catch (error) {
      throw translate(error);
    }
  }

  /**
   * Uses the driver, because TypeORM's `query` cannot name a statement, and reports to the application's logger as
   * TypeORM does.
   */
  private async execute<R extends object>(
    runner: QueryRunner,
    statement: PreparedStatement,
    values: readonly unknown[],
  ): Promise<R[]> {
    const { logger, options } = this.dataSource;
    const { name, text } = statement;
    const parameters = [...values];
    const client = (await runner.connect()) as PgClient;
    logger.logQuery(text, parameters, runner);
    const start = performance.now();
    try {
      const { rows } = await client.query({ name, text, values: parameters });
      const milliseconds = Math.round(performance.now() - start);
      const { maxQueryExecutionTime: limit } = options;
      if (limit && milliseconds > limit) logger.logQuerySlow(milliseconds, text, parameters, runner);
      return rowsOf<R>(rows);
    } catch (error) {
      logger.logQueryError(error as Error, text, parameters, runner);
      throw error;
    }
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
   * Runs `work` on a separate connection, which is closed at the timeout. A connection that hangs, as after a failover, must
   * not block the caller, return to the pool, or commit later.
   */
  private async onConnection<T>(work: (runner: QueryRunner) => Promise<T>, timeout: number): Promise<T> {
    const runner = this.dataSource.createQueryRunner();
    let connection: PgClient | undefined;
    let isLate = false;
    const run = async (): Promise<T> => {
      try {
        connection = (await runner.connect()) as PgClient;
        if (isLate) throw late();
        return await work(runner);
      } finally {
        await runner.release();
      }
    };
    if (timeout === Infinity) return run();
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        isLate = true;
        void connection?.end();
        reject(late());
      }, timeout);
    });
    try {
      return await Promise.race([run(), deadline]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function late(): SigraError {
  return new SigraError('unavailable', 'The database did not answer in time.');
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
