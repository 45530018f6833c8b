import type { DataSource, Logger } from 'typeorm';

/** Counts the statements that a DataSource sends from now on. */
export class StatementCounter implements Logger {
  /** Statements that change tokens. */
  updates = 0;
  /** Statements that count uses. */
  counts = 0;
  /** Statements that read tokens. */
  reads = 0;

  static of(dataSource: DataSource): StatementCounter {
    const counter = new StatementCounter();
    dataSource.logger = counter;
    return counter;
  }

  logQuery(sql: string): void {
    if (sql.includes('sigra_token_usage')) this.counts++;
    else if (!sql.includes('sigra_api_tokens')) return;
    else if (/\bUPDATE\b(?! OF)/.test(sql)) this.updates++;
    else this.reads++;
  }

  logQueryError(): void {
    // Not counted: a failed statement rejects the call.
  }

  logQuerySlow(): void {
    // Not counted: latency is measured elsewhere.
  }

  logSchemaBuild(): void {
    // Not counted: the benchmarks build no schema.
  }

  logMigration(): void {
    // Not counted: migrations run before the benchmark.
  }

  log(): void {
    // Not counted: a message is not a statement.
  }
}
