import { randomBytes } from 'node:crypto';
import type { MigrationInterface, QueryRunner } from 'typeorm';

class CreateUsers1767304800000 implements MigrationInterface {
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

/** Projects of users and of organizations, with the columns that Sigra's own tables have for an owner. */
class CreateProjects1767308400000 implements MigrationInterface {
  readonly name = 'CreateProjects1767308400000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE demo_projects (
        id uuid PRIMARY KEY,
        owner_type text NOT NULL,
        owner_id uuid NOT NULL,
        name varchar(100) NOT NULL,
        created_at timestamptz(3) NOT NULL
      )`);
    await runner.query('CREATE INDEX demo_projects_owner ON demo_projects (owner_type, owner_id, created_at, id)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE demo_projects');
  }
}

/** The table of connect-pg-simple, and the secret that signs its cookies. */
class CreateBrowserSessions1767312000000 implements MigrationInterface {
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

/** The tokens that a start of the demo printed, so that its next start can revoke them. */
class CreateStartTokens1767319200000 implements MigrationInterface {
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

/** For the activity page, which shows users every event of their tokens, and of one of them. */
class IndexAuditEventsByOwner1767322800000 implements MigrationInterface {
  readonly name = 'IndexAuditEventsByOwner1767322800000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE INDEX demo_audit_events_owner
      ON sigra_audit_events ((metadata->>'userId'), occurred_at, id)`);
    await runner.query(`
      CREATE INDEX demo_audit_events_via_token
      ON sigra_audit_events ((metadata->>'viaTokenId'), occurred_at, id) WHERE metadata->>'viaTokenId' IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX demo_audit_events_via_token');
    await runner.query('DROP INDEX demo_audit_events_owner');
  }
}

class CreateOrganizations1767326400000 implements MigrationInterface {
  readonly name = 'CreateOrganizations1767326400000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE demo_organizations (id uuid PRIMARY KEY, name text NOT NULL UNIQUE)');
    await runner.query(`
      CREATE TABLE demo_members (
        organization_id uuid NOT NULL REFERENCES demo_organizations ON DELETE CASCADE,
        user_id uuid NOT NULL REFERENCES demo_users ON DELETE CASCADE,
        role text NOT NULL CHECK (role IN ('owner', 'member')),
        PRIMARY KEY (user_id, organization_id)
      )`);
    await runner.query('CREATE INDEX demo_members_organization ON demo_members (organization_id)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE demo_members');
    await runner.query('DROP TABLE demo_organizations');
  }
}

/** The demo's own migrations. TypeORM sorts them by the time in their names, and Sigra's run first. */
export const demoMigrations = [
  CreateUsers1767304800000,
  CreateProjects1767308400000,
  CreateBrowserSessions1767312000000,
  CreateStartTokens1767319200000,
  IndexAuditEventsByOwner1767322800000,
  CreateOrganizations1767326400000,
];
