import { Injectable } from '@nestjs/common';
import { FLUSH_TIMEOUT_MS } from '../common/background-task.js';
import { type OwnerFilter, typesIn } from './owner.repository.js';
import { SigraDatabase } from './sigra-database.js';
import { type RowOf } from './packed-row.js';
import { tokenUsage } from './tables.js';

/** The requests of a token on one day. */
export type TokenUsageRow = RowOf<typeof tokenUsage.columns>;

/** Reads and writes `sigra_token_usage`. */
@Injectable()
export class TokenUsageRepository {
  constructor(private readonly database: SigraDatabase) {}

  /** Adds requests to the counts of tokens. Those of tokens that are deleted are ignored. */
  async add(counts: readonly TokenUsageRow[]): Promise<void> {
    const { apiTokens, tokenUsage: table } = this.database.names;
    // In one order on all nodes: two that add to the same rows must not wait for each other.
    const sql = `INSERT INTO ${table} AS u (token_id, day, requests)
       SELECT used.id, used.day, used.requests
       FROM unnest($1::uuid[], $2::date[], $3::bigint[]) AS used(id, day, requests)
       JOIN ${apiTokens} t ON t.id = used.id ORDER BY used.id, used.day FOR KEY SHARE OF t
       ON CONFLICT (token_id, day) DO UPDATE SET requests = u.requests + excluded.requests`;
    const values = [
      counts.map(({ tokenId }) => tokenId),
      counts.map(({ day }) => day),
      counts.map(({ requests }) => requests),
    ];
    await this.database.transaction((manager) => this.database.query(sql, values, manager), FLUSH_TIMEOUT_MS, {
      settles: false,
    });
  }

  /**
   * Reads the counts of a token, oldest day first.
   *
   * @param owner without an id, a token of any owner of the type
   * @param timeout milliseconds until the statement is cancelled
   * @returns undefined when there is no such token
   */
  async find(
    tokenId: string,
    owner: OwnerFilter,
    from: string,
    to: string,
    timeout: number,
  ): Promise<readonly TokenUsageRow[] | undefined> {
    const { apiTokens, tokenUsage: table } = this.database.names;
    const rows = await this.database.query<{ usage: string | null }>(
      `SELECT CASE WHEN u.token_id IS NOT NULL THEN ${tokenUsage.packed('u')} END AS usage
       FROM ${apiTokens} t LEFT JOIN ${table} u ON u.token_id = t.id AND u.day BETWEEN $4::date AND $5::date
       WHERE t.id = $1 AND t.owner_type = ANY ($2::text[]) AND ($3::text IS NULL OR t.owner_id = $3) ORDER BY u.day`,
      [tokenId, typesIn(owner), owner.id ?? null, from, to],
      undefined,
      timeout,
    );
    if (rows.length === 0) return undefined;
    return rows.flatMap(({ usage }) => (usage === null ? [] : [tokenUsage.unpack(usage)]));
  }
}
