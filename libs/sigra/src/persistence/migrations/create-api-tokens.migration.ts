import type { MigrationInterface, QueryRunner } from 'typeorm';
import { migrationNames } from '../qualified-names.js';
import { AUDIT_KEY, createAuditIndexes } from './audit-indexes.js';

/** Tables and indexes of owners, API tokens, idempotency keys, usage and audit events. */
export class CreateApiTokens1767225600000 implements MigrationInterface {
  readonly name = 'CreateApiTokens1767225600000';

  async up(runner: QueryRunner): Promise<void> {
    const {
      apiTokens,
      auditEvents,
      idempotencyKeys,
      leases,
      owners,
      ownerTypes,
      sweeps,
      tokenNotices,
      tokenUsage,
      named,
    } = migrationNames(runner);
    await runner.query(`
      CREATE TABLE ${owners} (
        owner_type text NOT NULL,
        owner_id text NOT NULL,
        token_epoch integer NOT NULL,
        family_epoch integer NOT NULL,
        family_epoch_at timestamptz(3),
        CONSTRAINT ${named('sigra_owners_pkey')} PRIMARY KEY (owner_type, owner_id)
      )`);
    // Every request looks for its owner here, and few owners have ever moved to another epoch.
    await runner.query(
      `CREATE INDEX ${named('sigra_owners_epochs')} ON ${owners} (owner_type, owner_id)
       WHERE token_epoch > 0 OR family_epoch > 0`,
    );
    await runner.query(`
      CREATE TABLE ${ownerTypes} (
        owner_type text CONSTRAINT ${named('sigra_owner_types_pkey')} PRIMARY KEY,
        user_table text NOT NULL,
        id_column text NOT NULL
      )`);
    await runner.query(`
      CREATE TABLE ${sweeps} (
        id uuid CONSTRAINT ${named('sigra_sweeps_pkey')} PRIMARY KEY,
        owner_type text NOT NULL,
        owner_id text NOT NULL,
        task text NOT NULL,
        maker_id uuid,
        ends_at timestamptz(3),
        token_epoch integer NOT NULL,
        family_epoch integer NOT NULL,
        reason text,
        requested_at timestamptz(3) NOT NULL
      )`);
    await runner.query(`
      CREATE TABLE ${leases} (
        name text CONSTRAINT ${named('sigra_leases_pkey')} PRIMARY KEY,
        holder uuid NOT NULL,
        expires_at timestamptz(3) NOT NULL
      )`);
    // Free space in every page allows heap-only updates of last_used_at, which is in no index.
    await runner.query(`
      CREATE TABLE ${apiTokens} (
        id uuid CONSTRAINT ${named('sigra_api_tokens_pkey')} PRIMARY KEY,
        origin_id uuid,
        owner_type text NOT NULL,
        owner_id text NOT NULL,
        token_epoch integer NOT NULL,
        name varchar(255) NOT NULL,
        description text,
        metadata jsonb,
        prefix text NOT NULL,
        hint text NOT NULL,
        token_hash bytea NOT NULL,
        secret_hash bytea,
        scopes text[] NOT NULL,
        allowed_ips text[],
        resources text[],
        made_by_token_id uuid,
        made_by_family_id uuid,
        descends_from uuid[] NOT NULL DEFAULT '{}',
        creator_type text,
        creator_id text,
        expires_at timestamptz(3),
        revoked_at timestamptz(3),
        revoke_reason text,
        last_used_at timestamptz(3),
        last_used_ip text,
        replaced_by uuid,
        created_at timestamptz(3) NOT NULL
      ) WITH (fillfactor = 85)`);
    await runner.query(`CREATE UNIQUE INDEX ${named('sigra_api_tokens_hash')} ON ${apiTokens} (token_hash)`);
    // Of imported tokens whose own digest is slow.
    await runner.query(
      `CREATE UNIQUE INDEX ${named('sigra_api_tokens_secret')} ON ${apiTokens} (secret_hash) WHERE secret_hash IS NOT NULL`,
    );
    await runner.query(
      `CREATE INDEX ${named('sigra_api_tokens_owner')} ON ${apiTokens} (owner_type, owner_id, created_at, id)
       WHERE revoked_at IS NULL`,
    );
    await runner.query(
      `CREATE INDEX ${named('sigra_api_tokens_owner_revoked')} ON ${apiTokens} (owner_type, owner_id, created_at, id)
       WHERE revoked_at IS NOT NULL`,
    );
    // For administrators, who search the tokens of all owners.
    await runner.query(
      `CREATE INDEX ${named('sigra_api_tokens_created')} ON ${apiTokens} (owner_type, created_at, id)`,
    );
    // For what the credentials of an owner made for others, and for administrators who search it.
    await runner.query(
      `CREATE INDEX ${named('sigra_api_tokens_creator')} ON ${apiTokens} (creator_type, creator_id, created_at, id)
       WHERE creator_type IS NOT NULL AND revoked_at IS NULL`,
    );
    await runner.query(
      `CREATE INDEX ${named('sigra_api_tokens_creator_revoked')} ON ${apiTokens} (creator_type, creator_id, created_at, id)
       WHERE creator_type IS NOT NULL AND revoked_at IS NOT NULL`,
    );
    await runner.query(`CREATE INDEX ${named('sigra_api_tokens_hint')} ON ${apiTokens} (hint)`);
    await runner.query(
      `CREATE INDEX ${named('sigra_api_tokens_lineage')} ON ${apiTokens} USING gin (descends_from)
       WHERE revoked_at IS NULL AND descends_from <> '{}'`,
    );
    await runner.query(
      `CREATE INDEX ${named('sigra_api_tokens_origin')} ON ${apiTokens} (origin_id)
       WHERE origin_id IS NOT NULL AND revoked_at IS NULL`,
    );
    await runner.query(
      `CREATE INDEX ${named('sigra_api_tokens_expired')} ON ${apiTokens} (expires_at)
       WHERE expires_at IS NOT NULL AND revoked_at IS NULL`,
    );
    await runner.query(
      `CREATE INDEX ${named('sigra_api_tokens_revoked')} ON ${apiTokens} (revoked_at) WHERE revoked_at IS NOT NULL`,
    );
    await runner.query(`
      CREATE TABLE ${idempotencyKeys} (
        key_hash bytea CONSTRAINT ${named('sigra_idempotency_keys_pkey')} PRIMARY KEY,
        request_hash text NOT NULL,
        token_id uuid NOT NULL CONSTRAINT ${named('sigra_idempotency_keys_token')}
          REFERENCES ${apiTokens} (id) ON DELETE CASCADE,
        sealed_token bytea NOT NULL,
        expires_at timestamptz(3) NOT NULL
      )`);
    // For clean-up, and for the deletion of tokens.
    await runner.query(`CREATE INDEX ${named('sigra_idempotency_keys_end')} ON ${idempotencyKeys} (expires_at)`);
    await runner.query(`CREATE INDEX ${named('sigra_idempotency_keys_of_token')} ON ${idempotencyKeys} (token_id)`);
    await runner.query(`
      CREATE TABLE ${tokenUsage} (
        token_id uuid NOT NULL CONSTRAINT ${named('sigra_token_usage_token')}
          REFERENCES ${apiTokens} (id) ON DELETE CASCADE,
        day date NOT NULL,
        requests bigint NOT NULL,
        CONSTRAINT ${named('sigra_token_usage_pkey')} PRIMARY KEY (token_id, day)
      ) WITH (fillfactor = 85)`);
    // For clean-up.
    await runner.query(`CREATE INDEX ${named('sigra_token_usage_day')} ON ${tokenUsage} (day)`);
    await runner.query(`
      CREATE TABLE ${tokenNotices} (
        token_id uuid NOT NULL CONSTRAINT ${named('sigra_token_notices_token')}
          REFERENCES ${apiTokens} (id) ON DELETE CASCADE,
        kind text NOT NULL,
        about timestamptz(3) NOT NULL,
        days integer NOT NULL,
        claim_id uuid NOT NULL,
        attempts integer NOT NULL,
        retry_at timestamptz(3) NOT NULL,
        sent_at timestamptz(3),
        CONSTRAINT ${named('sigra_token_notices_pkey')} PRIMARY KEY (token_id, kind)
      )`);
    // Few notices are not sent yet, and each batch settles those of its claim.
    await runner.query(
      `CREATE INDEX ${named('sigra_token_notices_claim')} ON ${tokenNotices} (claim_id) WHERE sent_at IS NULL`,
    );
    await runner.query(`
      CREATE TABLE ${auditEvents} (
        id uuid CONSTRAINT ${named(AUDIT_KEY)} PRIMARY KEY,
        action text NOT NULL,
        outcome text NOT NULL,
        actor_id text,
        actor_type text NOT NULL,
        target_id text,
        target_type text,
        metadata jsonb NOT NULL,
        ip_address text,
        user_agent text,
        occurred_at timestamptz(3) NOT NULL
      )`);
    for (const statement of createAuditIndexes({ auditEvents, named })) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    const { apiTokens, auditEvents, idempotencyKeys, leases, owners, ownerTypes, sweeps, tokenNotices, tokenUsage } =
      migrationNames(runner);
    await runner.query(`DROP TABLE ${auditEvents}`);
    await runner.query(`DROP TABLE ${tokenUsage}`);
    await runner.query(`DROP TABLE ${idempotencyKeys}`);
    await runner.query(`DROP TABLE ${tokenNotices}`);
    await runner.query(`DROP TABLE ${apiTokens}`);
    await runner.query(`DROP TABLE ${leases}`);
    await runner.query(`DROP TABLE ${sweeps}`);
    await runner.query(`DROP TABLE ${ownerTypes}`);
    await runner.query(`DROP TABLE ${owners}`);
  }
}
