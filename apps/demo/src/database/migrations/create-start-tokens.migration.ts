import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which tokens a start of the demo has printed, so that its next start can revoke them. */
export class CreateStartTokens1767319200000 implements MigrationInterface {
  readonly name = 'CreateStartTokens1767319200000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE demo_start_tokens (
        token_id uuid PRIMARY KEY,
        instance text NOT NULL
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE demo_start_tokens');
  }
}
