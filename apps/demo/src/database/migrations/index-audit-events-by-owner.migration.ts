import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Serves the audit page, which shows users what happened to their tokens, whoever did it. */
export class IndexAuditEventsByOwner1767322800000 implements MigrationInterface {
  readonly name = 'IndexAuditEventsByOwner1767322800000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE INDEX demo_audit_events_owner
      ON sigra_audit_events ((metadata->>'userId'), occurred_at, id)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX demo_audit_events_owner');
  }
}
