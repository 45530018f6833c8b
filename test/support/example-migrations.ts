import { setTimeout as delay } from 'node:timers/promises';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { migrationNames } from '../../libs/sigra/src/persistence/qualified-names.js';

/** The longest time for which other statements queue behind one that waits for its lock. */
const LOCK_TIMEOUT_MS = 50;
const PAUSE_MS = 200;
const LOCK_NOT_AVAILABLE = '55P03';

/**
 * Runs a statement that locks a table for a moment. While it waits for the lock, every later statement queues behind it, so it
 * gives up soon and tries again.
 */
async function withShortLock(runner: QueryRunner, sql: string): Promise<void> {
  for (;;) {
    // A savepoint, if TypeORM has begun a transaction.
    await runner.startTransaction();
    try {
      await runner.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
      await runner.query(sql);
      await runner.commitTransaction();
      return;
    } catch (error) {
      await runner.rollbackTransaction();
      if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE) throw error;
    }
    await delay(PAUSE_MS);
  }
}

/** An example: a nullable column without a default, which rewrites no row. */
export class AddRemark1900000000000 implements MigrationInterface {
  readonly name = 'AddRemark1900000000000';

  async up(runner: QueryRunner): Promise<void> {
    const { apiTokens } = migrationNames(runner);
    await withShortLock(runner, `ALTER TABLE ${apiTokens} ADD COLUMN remark text`);
  }

  async down(runner: QueryRunner): Promise<void> {
    const { apiTokens } = migrationNames(runner);
    await withShortLock(runner, `ALTER TABLE ${apiTokens} DROP COLUMN remark`);
  }
}

/** An example: an index, which is made beside the writes of the application. */
export class AddNameIndex1900000000001 implements MigrationInterface {
  readonly name = 'AddNameIndex1900000000001';
  /** CONCURRENTLY works only outside of a transaction. */
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    const { apiTokens, named } = migrationNames(runner);
    // An attempt that failed leaves an invalid index.
    await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS ${named('sigra_api_tokens_name')}`);
    await runner.query(`CREATE INDEX CONCURRENTLY ${named('sigra_api_tokens_name')} ON ${apiTokens} (name)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    const { named } = migrationNames(runner);
    // TypeORM reverts in a transaction, whatever the migration says.
    await withShortLock(runner, `DROP INDEX ${named('sigra_api_tokens_name')}`);
  }
}

/** What a later version could add to `sigraMigrations`. */
export const exampleMigrations = [AddRemark1900000000000, AddNameIndex1900000000001];
