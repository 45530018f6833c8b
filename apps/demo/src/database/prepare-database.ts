import { DataSource } from 'typeorm';
import { StartError } from '../start-error.js';
import { seed } from './seed.js';
import { dataSourceOptions } from './data-source.options.js';

/** Any number will do, as long as every demo has the same. */
const PREPARATION_LOCK = 7_365_777_250;

/**
 * Brings the schema up to date and puts the first users in. Demos that start at the same time on one database take
 * turns.
 */
export async function prepareDatabase(url: string): Promise<void> {
  const dataSource = new DataSource(dataSourceOptions(url));
  try {
    await dataSource.initialize();
    await dataSource.transaction(async (manager) => {
      await manager.query('SELECT pg_advisory_xact_lock($1)', [PREPARATION_LOCK]);
      // On other connections than the one that holds the lock, each with a transaction of its own.
      await dataSource.runMigrations();
      await seed(dataSource.manager);
    });
  } catch (error) {
    throw new StartError(`The database cannot be prepared: ${(error as Error).message}`, { cause: error });
  } finally {
    if (dataSource.isInitialized) await dataSource.destroy();
  }
}
