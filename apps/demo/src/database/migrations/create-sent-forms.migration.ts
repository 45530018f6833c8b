import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Forms that have been sent, so that sending one again does nothing. */
export class CreateSentForms1767315600000 implements MigrationInterface {
  readonly name = 'CreateSentForms1767315600000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE demo_sent_forms (
        id uuid PRIMARY KEY,
        sent_at timestamptz(3) NOT NULL DEFAULT now()
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE demo_sent_forms');
  }
}
