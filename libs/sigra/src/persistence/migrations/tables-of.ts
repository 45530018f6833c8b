import type { QueryRunner } from 'typeorm';
import { tableNames, type TableNames } from '../table-names.js';

/** The tables' names in the DataSource that a migration runs on. */
export function tablesOf(runner: QueryRunner): TableNames {
  // TypeORM 1 calls it dataSource, and 0.3 knows no other name than this.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  return tableNames(runner.connection);
}
