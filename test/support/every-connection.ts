import type { DataSource } from 'typeorm';

/** Runs a statement on each connection of the pool. */
export async function onEveryConnection<Row>(dataSource: DataSource, sql: string): Promise<Row[]> {
  const runners = Array.from({ length: dataSource.options.poolSize! }, () => dataSource.createQueryRunner());
  await Promise.all(runners.map((runner) => runner.connect()));
  const rows = await Promise.all(runners.map((runner) => runner.query(sql) as Promise<Row[]>));
  await Promise.all(runners.map((runner) => runner.release()));
  return rows.flat();
}
