import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The people who can sign in. */
export class CreateUsers1767304800000 implements MigrationInterface {
  readonly name = 'CreateUsers1767304800000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE demo_users (
        id uuid PRIMARY KEY,
        email text NOT NULL UNIQUE,
        password_hash text NOT NULL,
        is_admin boolean NOT NULL DEFAULT false,
        created_at timestamptz(3) NOT NULL DEFAULT now()
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE demo_users');
  }
}
