import type { MigrationInterface } from 'typeorm';
import { CreateApiTokens1767225600000 } from './create-api-tokens.migration.js';
import { CreateRefreshTokens1767225600001 } from './create-refresh-tokens.migration.js';
import { PartitionAuditEvents1767225600002 } from './partition-audit-events.migration.js';

/** Sigra's migrations, for the `migrations` of the host's DataSource. Their names never change. */
export const sigraMigrations = [CreateApiTokens1767225600000, CreateRefreshTokens1767225600001];

/**
 * Divides the audit events into partitions of one month each. Optional: add it behind `sigraMigrations` if the audit trail grows large.
 * Clean-up makes the partitions ahead, and drops those that `audit.retention` has ended, instead of deleting their rows.
 */
export const sigraPartitionMigrations = [PartitionAuditEvents1767225600002];

/** Migrations that the next version adds. This version starts with and without the indexes and foreign keys that they drop. */
export const nextMigrations: readonly (new () => MigrationInterface)[] = [];
