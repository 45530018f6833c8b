import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { FLUSH_TIMEOUT_MS } from '../common/background-task.js';
import { keyOfOwner, type Owner } from '../common/principal.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { NewApiToken } from './api-token.repository.js';
import { currentEpoch } from './owner.repository.js';
import { SigraDatabase } from './sigra-database.js';
import { Parameters } from './sql.js';
import { apiTokens } from './tables.js';
import { expirySql } from './token-expiry.js';

/** The `secret_hash` of a token, in hex. */
export interface SecretOfToken {
  readonly id: string;
  readonly secretHash: string;
}

/** Writes tokens of other systems into `sigra_api_tokens`, many in a statement. */
@Injectable()
export class ImportedTokenRepository {
  private readonly expiry: string;

  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly database: SigraDatabase,
  ) {
    this.expiry = expirySql('t', config.apiTokens);
  }

  /**
   * Inserts tokens whose hashes are not stored yet.
   *
   * @param tokens at most 1000, which all have the same properties
   * @returns the ids of those that were inserted
   */
  async insertNew(
    manager: EntityManager,
    tokens: readonly [NewApiToken, ...NewApiToken[]],
  ): Promise<ReadonlySet<string>> {
    const parameters = new Parameters();
    const insert = apiTokens.insert(`${this.database.names.apiTokens} AS t`, tokens, parameters);
    const rows = await this.database.query<{ id: string }>(
      `${insert} ON CONFLICT (token_hash) DO NOTHING RETURNING t.id::text AS id`,
      parameters.values,
      manager,
    );
    return new Set(rows.map(({ id }) => id));
  }

  /**
   * Sets the `secret_hash` of tokens that have none yet. Skips rows that another transaction has locked, whose next use is
   * recorded instead.
   */
  async setSecrets(secrets: readonly SecretOfToken[]): Promise<void> {
    const { apiTokens: table } = this.database.names;
    await this.database.query(
      `WITH known AS (
         SELECT id, decode(hex, 'hex') AS hash FROM unnest($1::uuid[], $2::text[]) AS secret(id, hex)
       ), due AS (
         SELECT t.id FROM ${table} t JOIN known ON known.id = t.id
         WHERE t.secret_hash IS NULL AND t.revoked_at IS NULL
           AND NOT EXISTS (SELECT FROM ${table} other WHERE other.secret_hash = known.hash)
         FOR NO KEY UPDATE OF t SKIP LOCKED
       )
       UPDATE ${table} t SET secret_hash = known.hash FROM due JOIN known ON known.id = due.id WHERE t.id = due.id`,
      [secrets.map(({ id }) => id), secrets.map(({ secretHash }) => secretHash)],
      undefined,
      FLUSH_TIMEOUT_MS,
    );
  }

  /** Those of some owners that have more active tokens than `cap`, by `keyOfOwner`. */
  async ownersAbove(
    manager: EntityManager,
    owners: readonly Owner[],
    now: Date,
    cap: number,
  ): Promise<ReadonlySet<string>> {
    const { apiTokens: table, owners: epochs } = this.database.names;
    const rows = await this.database.query<Owner>(
      `SELECT wanted.type, wanted.id FROM unnest($1::text[], $2::text[]) AS wanted(type, id)
       WHERE (SELECT count(*) FROM (
         SELECT FROM ${table} t
         WHERE t.owner_type = wanted.type AND t.owner_id = wanted.id AND t.revoked_at IS NULL
           AND coalesce(${this.expiry} > $3, true)
           AND t.token_epoch = ${currentEpoch(epochs, 'token_epoch', 'wanted.type', 'wanted.id')}
         LIMIT $4
       ) AS active) = $4`,
      [owners.map(({ type }) => type), owners.map(({ id }) => id), now, cap + 1],
      manager,
    );
    return new Set(rows.map(keyOfOwner));
  }
}
