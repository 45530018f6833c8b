import { createHash } from 'node:crypto';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import { SigraError } from '../common/sigra-error.js';
import { SigraConfigError } from '../config/sigra-config-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { sigraEntities } from './entities/sigra-entities.js';
import { tableNames, type TableNames } from './table-names.js';

/** Injects the TypeORM DataSource that holds Sigra's tables, whatever its name is. */
export const SIGRA_DATA_SOURCE = Symbol('SIGRA_DATA_SOURCE');

export type Row = Readonly<Record<string, unknown>>;

/** A SELECT that is sent over and over again. */
export interface PreparedStatement {
  readonly name: string;
  readonly text: string;
}

/** Named by its text: whoever else has prepared this name on a connection, such as through a pooler, meant the same. */
export function preparedStatement(text: string): PreparedStatement {
  return { name: `sigra_${createHash('sha256').update(text).digest('hex').slice(0, 24)}`, text };
}

interface PgClient {
  query(statement: PreparedStatement & { values: unknown[] }): Promise<{ rows: Row[] }>;
  end(): Promise<void>;
}

/**
 * The one door to the host's DataSource. Nothing here needs a session that outlasts the statement or the transaction, so
 * that a transaction pooler may stand between.
 */
@Injectable()
export class SigraDatabase {
  readonly tables: TableNames;
  private prepares: boolean;

  constructor(
    @Inject(SIGRA_DATA_SOURCE) readonly dataSource: DataSource,
    @InjectSigraConfig() private readonly config: SigraConfig,
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
    this.tables = tableNames(dataSource);
    this.prepares = config.preparedStatements;
  }

  /**
   * Runs one statement, in the transaction of `manager` where one is given.
   *
   * @param timeout milliseconds until it is given up; the transaction's own where there is one
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

  /**
   * Runs a statement that is sent over and over again, so that PostgreSQL does not parse and plan it every time: that takes
   * as long as finding some twenty rows. Where it turns out that a connection does not keep it, as behind some poolers, it
   * is sent whole, and so are all from then on.
   *
   * @throws SigraError `unavailable` when the server cannot be reached, or does not answer in time
   */
  async read<R extends object = Row>(statement: PreparedStatement, values: readonly unknown[]): Promise<R[]> {
    if (!this.prepares) return this.query<R>(statement.text, values);
    try {
      return await this.onConnection((runner) => this.execute<R>(runner, statement, values), this.config.lookupTimeout);
    } catch (error) {
      if (!NOT_KEPT.has(sqlState(error) ?? '')) throw translate(error);
      this.stopPreparing(error);
      return this.query<R>(statement.text, values);
    }
  }

  /** TypeORM's own `query` knows no names; the host's logger hears of the statement all the same. */
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
      `A prepared statement could not be used: ${String(cause)}. Until this process ends, statements are sent whole, which ` +
        'takes longer. Behind a pooler that does not keep them, set preparedStatements: false',
    );
  }

  /**
   * Commits when `work` resolves, and rolls back when it rejects.
   *
   * @param timeout milliseconds until it is given up, all in all
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
   * Works on a connection of its own. When the time is over, the connection is ended: one that hangs, as after a
   * fail-over, must neither be waited for nor used again, and what it has not committed must not happen after all.
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

/**
 * SQLSTATEs of a prepared statement that is not there, is there already, or returns what has another type by now. Behind a
 * transaction pooler, the client and the session each take the other for somebody else.
 */
const NOT_KEPT: ReadonlySet<string> = new Set(['26000', '42P05', '0A000']);

function late(): SigraError {
  return new SigraError('unavailable', 'The database did not answer in time.');
}

/**
 * TypeORM answers UPDATE and DELETE with `[rows, count]`, and everything else with the rows. They are taken out of the
 * driver's result, which outlives them in memory for a while: with its rows it would move all of them into the old
 * generation, where collecting them costs most.
 */
function rowsOf<R extends object>(answer: unknown): R[] {
  const rows = answer as R[] | [R[], number];
  const own = rows.length === 2 && Array.isArray(rows[0]) && typeof rows[1] === 'number' ? rows[0] : (rows as R[]);
  return own.splice(0);
}

/**
 * SQLSTATEs of a server that cannot serve now: connection, resources, operator intervention, a statement out of time, a
 * standby, and a race lost against another transaction. Not a mistake.
 */
const UNAVAILABLE = /^(?:08|53|57P|57014|25006|40001|40P01|55P03)/;

function translate(error: unknown): unknown {
  if (error instanceof SigraError) return error;
  const code = sqlState(error);
  const unreachable = code === undefined ? isConnectionFailure(error) : UNAVAILABLE.test(code);
  return unreachable ? new SigraError('unavailable', 'The database did not answer.', { cause: error }) : error;
}

/** The five characters that PostgreSQL gives every error, or undefined when the server is not where it comes from. */
export function sqlState(error: unknown): string | undefined {
  const origin = error instanceof SigraError ? error.cause : error;
  const code = (origin as { code?: unknown } | null | undefined)?.code;
  // With a digit among them, or EPIPE would be one.
  return typeof code === 'string' && /^(?=.*[0-9])[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

function isConnectionFailure(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string' && /^(?:ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_AGAIN)/.test(code)) return true;
  return /connection terminated|timeout exceeded when trying to connect|not queryable|not (?:yet )?(?:established|connected)|pool after calling end|query read timeout/i.test(
    error.message,
  );
}
