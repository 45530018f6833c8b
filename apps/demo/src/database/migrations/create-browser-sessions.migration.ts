import { randomBytes } from 'node:crypto';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The table of connect-pg-simple, and the secret that signs its cookies. */
export class CreateBrowserSessions1767312000000 implements MigrationInterface {
  readonly name = 'CreateBrowserSessions1767312000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE demo_browser_sessions (
        sid varchar PRIMARY KEY,
        sess json NOT NULL,
        expire timestamptz(3) NOT NULL
      )`);
    await runner.query('CREATE INDEX demo_browser_sessions_expire ON demo_browser_sessions (expire)');
    // In the database, so that all demos that share it accept each other's cookies.
    await runner.query(
      'CREATE TABLE demo_session_secret (only_one boolean PRIMARY KEY CHECK (only_one), secret text NOT NULL)',
    );
    await runner.query('INSERT INTO demo_session_secret VALUES (true, $1)', [randomBytes(32).toString('base64url')]);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE demo_session_secret');
    await runner.query('DROP TABLE demo_browser_sessions');
  }
}
