import type { QueryRunner } from 'typeorm';
import { quote, tableNames, type TableNames } from '../table-names.js';

/** What a migration calls things in the DataSource that it runs on. */
export interface MigrationNames extends TableNames {
  /** The name of an index or a constraint. With the prefix, so that two installations fit into one schema. */
  readonly named: (name: string) => string;
}

export function tablesOf(runner: QueryRunner): MigrationNames {
  // TypeORM 1 calls it dataSource, and 0.3 knows no other name than this.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  const dataSource = runner.connection;
  const { entityPrefix = '' } = dataSource.options;
  return { ...tableNames(dataSource), named: (name) => quote(entityPrefix + name) };
}
