import type { DataSource, Logger } from 'typeorm';

/** Counts what a DataSource sends from now on. */
export class StatementCounter implements Logger {
  /** Statements that change tokens. */
  updates = 0;
  /** Statements that read tokens. */
  reads = 0;

  static of(dataSource: DataSource): StatementCounter {
    const counter = new StatementCounter();
    dataSource.logger = counter;
    return counter;
  }

  logQuery(sql: string): void {
    if (!sql.includes('sigra_api_tokens')) return;
    if (/\bUPDATE\b(?! OF)/.test(sql)) this.updates++;
    else this.reads++;
  }

  logQueryError(): void {
    // A failure reaches the caller.
  }

  logQuerySlow(): void {
    // Time is measured elsewhere.
  }

  logSchemaBuild(): void {
    // There is none.
  }

  logMigration(): void {
    // There is none.
  }

  log(): void {
    // Nothing to count.
  }
}
