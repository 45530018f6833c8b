import type { MigrationInterface, QueryRunner } from 'typeorm';
import { OnlineDdl } from './online-ddl.js';
import type { OnlineStep } from './online-steps.js';

/** A migration of tables that have rows, which an application of the version before uses while it runs and afterwards. */
export abstract class OnlineMigration implements MigrationInterface {
  abstract readonly name: string;
  /**
   * In a transaction, the lock of each statement would be held until the last one has ended. TypeORM refuses to run this
   * migration with `migrationsTransactionMode: 'all'`.
   */
  readonly transaction = false;
  protected abstract readonly steps: readonly OnlineStep[];

  async up(runner: QueryRunner): Promise<void> {
    this.assertNoTransaction(runner);
    const ddl = new OnlineDdl(runner);
    for (const step of this.steps) await step.up(ddl);
  }

  async down(runner: QueryRunner): Promise<void> {
    // TypeORM reverts in a transaction, whatever `transaction` says, and needs one afterwards.
    const isBegun = runner.isTransactionActive;
    if (isBegun) await runner.commitTransaction();
    this.assertNoTransaction(runner);
    const ddl = new OnlineDdl(runner);
    for (const step of this.steps.toReversed()) await step.down(ddl);
    if (isBegun) await runner.startTransaction();
  }

  private assertNoTransaction({ isTransactionActive }: QueryRunner): void {
    if (!isTransactionActive) return;
    throw new Error(
      `sigra: ${this.name} cannot run in a transaction, which would keep its locks. Set migrationsTransactionMode: 'each'`,
    );
  }
}
