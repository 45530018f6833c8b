import type { DataSource, Logger } from 'typeorm';

export interface LoggedQuery {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** Records every statement that a DataSource sends from now on. */
export class QueryLog implements Logger {
  readonly queries: LoggedQuery[] = [];

  static of(dataSource: DataSource): QueryLog {
    const log = new QueryLog();
    dataSource.logger = log;
    return log;
  }

  /** The statements whose text matches. */
  matching(pattern: RegExp): LoggedQuery[] {
    return this.queries.filter(({ sql }) => pattern.test(sql));
  }

  clear(): void {
    this.queries.length = 0;
  }

  logQuery(sql: string, parameters: unknown[] = []): void {
    this.queries.push({ sql, parameters });
  }

  logQueryError(): void {
    // The caller receives the error.
  }

  logQuerySlow(): void {
    // No test measures time.
  }

  logSchemaBuild(): void {
    // Tests read the statements of the schema builder instead.
  }

  logMigration(): void {
    // Tests check the result of migrations instead.
  }

  log(): void {
    // No test needs these messages.
  }
}
