import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the API is about: everybody's own projects. */
export class CreateProjects1767308400000 implements MigrationInterface {
  readonly name = 'CreateProjects1767308400000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE demo_projects (
        id uuid PRIMARY KEY,
        owner_id uuid NOT NULL REFERENCES demo_users ON DELETE CASCADE,
        name varchar(100) NOT NULL,
        created_at timestamptz(3) NOT NULL
      )`);
    await runner.query('CREATE INDEX demo_projects_owner ON demo_projects (owner_id, created_at, id)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE demo_projects');
  }
}
