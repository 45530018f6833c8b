import { setTimeout } from 'node:timers/promises';
import type { QueryRunner } from 'typeorm';
import { literal, migrationNames, type MigrationNames, type QualifiedNames } from '../qualified-names.js';

/** Milliseconds for which the statements of the application queue behind one that waits for its lock. */
const LOCK_TIMEOUT = 50;
/** Milliseconds in which the application works between two attempts. */
const PAUSE = 500;
const LOCK_NOT_AVAILABLE = '55P03';
const LIMITS = ['lock_timeout', 'statement_timeout', 'transaction_timeout'];

/** Changes tables that an application uses meanwhile. Every statement commits itself. */
export class OnlineDdl {
  readonly names: MigrationNames;

  constructor(private readonly runner: QueryRunner) {
    this.names = migrationNames(runner);
  }

  /**
   * Runs a statement that excludes all others from a table, and takes no time once it has its lock. While it waits for the lock,
   * later statements queue behind it, so it gives up soon, and is repeated until it gets the lock.
   */
  async quick(statement: string): Promise<void> {
    for (;;) {
      try {
        // One message is one transaction: the server releases the lock without waiting for this process.
        await this.runner.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT}; ${statement}`);
        return;
      } catch (error) {
        if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE) throw error;
      }
      await setTimeout(PAUSE);
    }
  }

  /** Runs a statement that reads a whole table beside the writes of others, without the time limits of the connection. */
  async slow(statement: string): Promise<void> {
    const limits = await this.query<{ name: string; setting: string }>(
      `SELECT name, setting FROM pg_catalog.pg_settings WHERE name = ANY ($1) AND setting <> '0'`,
      [LIMITS],
    );
    const set = (name: string, value: string) => this.query('SELECT set_config($1, $2, false)', [name, value]);
    for (const { name } of limits) await set(name, '0');
    try {
      await this.runner.query(statement);
    } finally {
      for (const { name, setting } of limits) await set(name, setting);
    }
  }

  /** @returns undefined if there is not such an index; a concurrent build that failed leaves an invalid one */
  async stateOfIndex(name: string): Promise<'valid' | 'invalid' | undefined> {
    const [found] = await this.query<{ state: 'valid' | 'invalid' }>(
      `SELECT CASE WHEN indisvalid THEN 'valid' ELSE 'invalid' END AS state
       FROM pg_catalog.pg_index WHERE indexrelid = to_regclass($1)`,
      [this.names.located(name)],
    );
    return found?.state;
  }

  /** Whether a table has partitions. */
  isPartitioned(table: keyof QualifiedNames): Promise<boolean> {
    return this.exists(
      `SELECT FROM pg_catalog.pg_class WHERE oid = to_regclass(${literal(this.names[table])}) AND relkind = 'p'`,
    );
  }

  /** Whether a query finds rows. */
  async exists(query: string): Promise<boolean> {
    const [row] = await this.query<{ found: string }>(`SELECT EXISTS (${query})::text AS found`, []);
    return row?.found === 'true';
  }

  private query<T>(sql: string, values: readonly unknown[]): Promise<T[]> {
    return this.runner.query(sql, [...values]) as Promise<T[]>;
  }
}
