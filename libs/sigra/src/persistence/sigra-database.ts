import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import { SigraError } from '../common/sigra-error.js';
import { SigraConfigError } from '../config/sigra-config-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { sigraEntities } from './entities/sigra-entities.js';
import { tableNames, type TableNames } from './table-names.js';

/** Injects the TypeORM DataSource that holds Sigra's tables, whatever its name is. */
export const SIGRA_DATA_SOURCE = Symbol('SIGRA_DATA_SOURCE');

export type Row = Readonly<Record<string, unknown>>;

/** The one door to the host's DataSource. Plain SQL without session state, so that a transaction pooler may stand between. */
@Injectable()
export class SigraDatabase {
  readonly tables: TableNames;

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
    let connection: { end(): Promise<void> } | undefined;
    let isLate = false;
    const run = async (): Promise<T> => {
      try {
        connection = (await runner.connect()) as { end(): Promise<void> };
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
  return /connection terminated|timeout exceeded when trying to connect|not queryable|not (?:yet )?(?:established|connected)|pool after calling end/i.test(
    error.message,
  );
}
