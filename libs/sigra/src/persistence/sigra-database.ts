import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { SigraError } from '../common/sigra-error.js';
import { SigraConfigError } from '../config/sigra-config-error.js';
import { sigraEntities } from './entities/sigra-entities.js';
import { tableNames, type TableNames } from './table-names.js';

/** Injects the TypeORM DataSource that holds Sigra's tables, whatever its name is. */
export const SIGRA_DATA_SOURCE = Symbol('SIGRA_DATA_SOURCE');

export type Row = Readonly<Record<string, unknown>>;

/** The one door to the host's DataSource. Plain SQL without session state, so that a transaction pooler may stand between. */
@Injectable()
export class SigraDatabase {
  readonly tables: TableNames;

  constructor(@Inject(SIGRA_DATA_SOURCE) readonly dataSource: DataSource) {
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
   * @throws SigraError `unavailable` when the server cannot be reached
   */
  async query<R extends object = Row>(sql: string, values: readonly unknown[], manager?: EntityManager): Promise<R[]> {
    try {
      return rowsOf<R>(await (manager ?? this.dataSource).query<unknown>(sql, [...values]));
    } catch (error) {
      throw translate(error);
    }
  }

  /**
   * Commits when `work` resolves, and rolls back when it rejects.
   *
   * @throws SigraError `unavailable` when the server cannot be reached
   */
  async transaction<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    try {
      return await this.dataSource.transaction(work);
    } catch (error) {
      throw translate(error);
    }
  }
}

/** TypeORM answers UPDATE and DELETE with `[rows, count]`, and everything else with the rows. */
function rowsOf<R extends object>(answer: unknown): R[] {
  const rows = answer as R[] | [R[], number];
  return rows.length === 2 && Array.isArray(rows[0]) && typeof rows[1] === 'number' ? rows[0] : (rows as R[]);
}

/**
 * SQLSTATEs of a server that cannot serve now: connection, resources, operator intervention, a statement out of time, a
 * standby. Not a mistake.
 */
const UNAVAILABLE = /^(?:08|53|57P|57014|25006)/;

function translate(error: unknown): unknown {
  if (error instanceof SigraError) return error;
  const code = sqlState(error);
  const unreachable = code === undefined ? isConnectionFailure(error) : UNAVAILABLE.test(code);
  return unreachable ? new SigraError('unavailable', 'The database did not answer.', { cause: error }) : error;
}

/** The five characters that PostgreSQL gives every error, or undefined when the error is not the server's. */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
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
