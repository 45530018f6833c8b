import type { DataSource, QueryRunner } from 'typeorm';

/** A table that has rows, during a statement or after it. */
interface TableState {
  readonly oid: string;
  readonly name: string;
  readonly file: string;
  /** Rows that the current transaction has read, and those that it has written. */
  readonly read: number;
  readonly written: number;
  readonly rows: number;
  /** Whether the current transaction has a lock that excludes writes. */
  readonly locked: boolean;
  /** In milliseconds; 0 without a limit. */
  readonly lockTimeout: number;
}

type Query = (sql: string, values?: readonly unknown[], isStructured?: boolean) => Promise<unknown>;

/** As long as statements of the application can wait for a migration that waits for its lock. */
const LONGEST_LOCK_TIMEOUT = 100;
/** SQLSTATE of statements that cannot run in a transaction: those with CONCURRENTLY, which exclude no write. */
const NOT_IN_A_TRANSACTION = '25001';

const STATE = `
  SELECT c.oid::text, c.relname AS name, pg_relation_filenode(c.oid)::text AS file,
    (coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::int AS read,
    (n_tup_upd + n_tup_del)::int AS written,
    reltuples::int AS rows,
    EXISTS (
      SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND relation = c.oid AND granted
      AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')) AS locked,
    (SELECT setting::int FROM pg_settings WHERE pg_settings.name = 'lock_timeout') AS "lockTimeout"
  FROM pg_class c JOIN pg_stat_xact_all_tables s ON s.relid = c.oid
  WHERE relkind = 'r' AND c.relname LIKE 'sigra%'`;

/**
 * Watches the statements of a DataSource, and finds those that let an application wait: it looks at the locks and the files of
 * the tables, and at the rows that were read, not at the text of the statements.
 */
export class MigrationWatch {
  private readonly found = new Map<string, string[]>();
  private readonly filled: ReadonlySet<string>;

  private constructor(
    private readonly dataSource: DataSource,
    tables: readonly TableState[],
  ) {
    this.filled = new Set(tables.map(({ oid }) => oid));
  }

  /** Watches from now on. Only tables that have rows at this time count. */
  static async on(dataSource: DataSource): Promise<MigrationWatch> {
    // Counts the rows.
    await dataSource.query('ANALYZE');
    const tables = (await dataSource.query<TableState[]>(STATE)).filter(({ rows }) => rows > 0);
    const watch = new MigrationWatch(dataSource, tables);
    const create = dataSource.createQueryRunner.bind(dataSource);
    dataSource.createQueryRunner = (mode) => watch.watched(create(mode));
    return watch;
  }

  /** The findings about tables that still exist. */
  async findings(): Promise<string[]> {
    const tables = await this.dataSource.query<TableState[]>(STATE);
    return tables.flatMap(({ oid }) => this.found.get(oid) ?? []);
  }

  private watched(runner: QueryRunner): QueryRunner {
    const query = runner.query.bind(runner) as Query;
    const isOpen = () => runner.isTransactionActive;
    runner.query = (sql: string, ...more: [values?: unknown[], isStructured?: boolean]) => {
      const run = () => query(sql, ...more) as Promise<never>;
      return isOpen() ? this.judged(query, sql, true, run) : this.inItsOwn(query, sql, run);
    };
    return runner;
  }

  /** Runs a statement in a transaction of its own, so that its locks can be seen before they are released. */
  private async inItsOwn<T>(query: Query, sql: string, run: () => Promise<T>): Promise<T> {
    await query('BEGIN');
    try {
      const result = await this.judged(query, sql, false, run);
      await query('COMMIT');
      return result;
    } catch (error) {
      await query('ROLLBACK');
      if ((error as { code?: string }).code === NOT_IN_A_TRANSACTION) return run();
      throw error;
    }
  }

  /** @param isKept whether the locks are kept when the statement has ended */
  private async judged<T>(query: Query, sql: string, isKept: boolean, run: () => Promise<T>): Promise<T> {
    // A savepoint has no state, and a transaction that has failed cannot be asked.
    if (/^(?:START|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)\b/.test(sql)) return run();
    const states = async () => (await query(STATE)) as TableState[];
    const before = new Map((await states()).map((each) => [each.oid, each]));
    const result = await run();
    const after = await states();
    const isLocking = after.some(({ oid, locked }) => locked && this.filled.has(oid));
    for (const table of after) {
      const earlier = before.get(table.oid);
      if (!earlier || !this.filled.has(table.oid)) continue;
      const report = (what: string) =>
        this.report(table, `${what} ${table.name}: ${sql.replaceAll(/\s+/g, ' ').trim()}`);
      if (table.file !== earlier.file) report('writes a new file for');
      if (isLocking && table.read > earlier.read) report('reads under a lock the rows of');
      if (table.written - earlier.written >= earlier.rows) report('writes at once all rows of');
      if (!table.locked || earlier.locked) continue;
      if (table.lockTimeout === 0 || table.lockTimeout > LONGEST_LOCK_TIMEOUT) report('waits without a limit for');
      if (isKept) report('keeps until the end of the transaction a lock of');
    }
    return result;
  }

  private report({ oid }: TableState, finding: string): void {
    this.found.set(oid, [...(this.found.get(oid) ?? []), finding]);
  }
}
