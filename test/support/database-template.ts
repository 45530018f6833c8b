import { createDatabase, onDatabase, serverUrl, type TestDatabase } from './database.js';

/** A database that is filled once per run and then copied, which takes less time than filling each. */
export class DatabaseTemplate {
  private made: Promise<void> | undefined;

  /**
   * @param name unique among the templates; all workers of a run share it
   * @param create makes the database, which has no open connections afterwards
   */
  constructor(
    private readonly name: string,
    private readonly create: () => Promise<TestDatabase>,
  ) {}

  async copy(): Promise<TestDatabase> {
    await (this.made ??= this.make());
    return createDatabase(this.name);
  }

  /** One worker creates it, while the others wait for the lock. */
  private async make(): Promise<void> {
    await onDatabase(await serverUrl(), async (client) => {
      await client.query('SELECT pg_advisory_lock(hashtext($1))', [this.name]);
      const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [this.name]);
      if (rowCount) return;
      const unfinished = await this.create();
      await client.query(`ALTER DATABASE ${new URL(unfinished.url).pathname.slice(1)} RENAME TO ${this.name}`);
    });
  }
}
