import type { DataSource, Logger } from 'typeorm';

export interface LoggedQuery {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** Every statement that a DataSource sends from now on, as it is sent. */
export class QueryLog implements Logger {
  readonly queries: LoggedQuery[] = [];

  static of(dataSource: DataSource): QueryLog {
    const log = new QueryLog();
    dataSource.logger = log;
    return log;
  }

  /** Those statements whose text matches. */
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
    // A failure reaches the caller.
  }

  logQuerySlow(): void {
    // No test measures time.
  }

  logSchemaBuild(): void {
    // Schema builders are asked for their statements instead.
  }

  logMigration(): void {
    // Migrations are seen by what they leave behind.
  }

  log(): void {
    // Nothing that a test looks for.
  }
}
