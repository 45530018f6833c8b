import type { MigrationInterface, QueryRunner } from 'typeorm';
import { migrationNames } from '../qualified-names.js';

/** Tables and indexes of refresh families and their tokens, and of the proofs of their clients. */
export class CreateRefreshTokens1767225600001 implements MigrationInterface {
  readonly name = 'CreateRefreshTokens1767225600001';

  async up(runner: QueryRunner): Promise<void> {
    const { dpopProofs, refreshFamilies, refreshTokens, named } = migrationNames(runner);
    await runner.query(`
      CREATE TABLE ${refreshFamilies} (
        id uuid CONSTRAINT ${named('sigra_refresh_families_pkey')} PRIMARY KEY,
        owner_type text NOT NULL,
        owner_id text NOT NULL,
        epoch integer NOT NULL,
        scopes text[] NOT NULL,
        allowed_ips text[],
        resources text[],
        made_by_token_id uuid,
        made_by_family_id uuid,
        descends_from uuid[] NOT NULL DEFAULT '{}',
        creator_type text,
        creator_id text,
        absolute_expires_at timestamptz(3) NOT NULL,
        revoked_at timestamptz(3),
        revoke_reason text,
        ip_address text,
        user_agent text,
        dpop_thumbprint text,
        created_at timestamptz(3) NOT NULL
      )`);
    await runner.query(
      `CREATE INDEX ${named('sigra_refresh_families_owner')} ON ${refreshFamilies}
       (owner_type, owner_id, created_at, id) WHERE revoked_at IS NULL`,
    );
    await runner.query(
      `CREATE INDEX ${named('sigra_refresh_families_owner_revoked')} ON ${refreshFamilies}
       (owner_type, owner_id, created_at, id) WHERE revoked_at IS NOT NULL`,
    );
    await runner.query(
      `CREATE INDEX ${named('sigra_refresh_families_creator')} ON ${refreshFamilies} (creator_type, creator_id)
       WHERE creator_type IS NOT NULL AND revoked_at IS NULL`,
    );
    await runner.query(
      `CREATE INDEX ${named('sigra_refresh_families_lineage')} ON ${refreshFamilies} USING gin (descends_from)
       WHERE revoked_at IS NULL AND descends_from <> '{}'`,
    );
    await runner.query(
      `CREATE INDEX ${named('sigra_refresh_families_end')} ON ${refreshFamilies} (absolute_expires_at)`,
    );
    await runner.query(`
      CREATE TABLE ${refreshTokens} (
        id uuid CONSTRAINT ${named('sigra_refresh_tokens_pkey')} PRIMARY KEY,
        family_id uuid NOT NULL CONSTRAINT ${named('sigra_refresh_tokens_family')}
          REFERENCES ${refreshFamilies} (id) ON DELETE CASCADE,
        parent_id uuid,
        token_hash bytea NOT NULL,
        expires_at timestamptz(3) NOT NULL,
        consumed_at timestamptz(3),
        sealed_successor bytea,
        created_at timestamptz(3) NOT NULL
      )`);
    await runner.query(`CREATE UNIQUE INDEX ${named('sigra_refresh_tokens_hash')} ON ${refreshTokens} (token_hash)`);
    await runner.query(`CREATE UNIQUE INDEX ${named('sigra_refresh_tokens_parent')} ON ${refreshTokens} (parent_id)`);
    // Guarantees that a family never has two unconsumed tokens.
    await runner.query(
      `CREATE UNIQUE INDEX ${named('sigra_refresh_tokens_live')} ON ${refreshTokens} (family_id) WHERE consumed_at IS NULL`,
    );
    await runner.query(
      `CREATE INDEX ${named('sigra_refresh_tokens_of_family')} ON ${refreshTokens} (family_id, created_at)`,
    );
    await runner.query(
      `CREATE INDEX ${named('sigra_refresh_tokens_sealed')} ON ${refreshTokens} (consumed_at) WHERE sealed_successor IS NOT NULL`,
    );
    await runner.query(`
      CREATE TABLE ${dpopProofs} (
        proof_hash bytea CONSTRAINT ${named('sigra_dpop_proofs_pkey')} PRIMARY KEY,
        expires_at timestamptz(3) NOT NULL
      )`);
    await runner.query(`CREATE INDEX ${named('sigra_dpop_proofs_end')} ON ${dpopProofs} (expires_at)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    const { dpopProofs, refreshFamilies, refreshTokens } = migrationNames(runner);
    await runner.query(`DROP TABLE ${dpopProofs}`);
    await runner.query(`DROP TABLE ${refreshTokens}`);
    await runner.query(`DROP TABLE ${refreshFamilies}`);
  }
}
