import { DataSource } from 'typeorm';
import { StartError } from '../start-error.js';
import { seed } from './seed.js';
import { dataSourceOptions } from './data-source.options.js';

/** An arbitrary number, the same in every demo. */
const PREPARATION_LOCK = 7_365_777_250;

/**
 * Runs the migrations and creates the first users. Demos that start at the same time on one database take turns.
 *
 * @returns the secret that the migrations created in the database
 * @throws StartError if the database cannot be prepared
 */
export async function prepareDatabase(url: string): Promise<string> {
  const dataSource = new DataSource(dataSourceOptions(url));
  try {
    await dataSource.initialize();
    return await dataSource.transaction(async (manager) => {
      await manager.query('SELECT pg_advisory_xact_lock($1)', [PREPARATION_LOCK]);
      // These use other connections than the one that holds the lock, in transactions of their own.
      await dataSource.runMigrations();
      await seed(dataSource.manager);
      const [row] = await manager.query<{ secret: string }[]>('SELECT secret FROM demo_session_secret');
      if (!row) throw new Error('demo_session_secret is empty; its migration inserts the secret');
      return row.secret;
    });
  } catch (error) {
    throw new StartError(`The database cannot be prepared: ${(error as Error).message}`, { cause: error });
  } finally {
    if (dataSource.isInitialized) await dataSource.destroy();
  }
}
