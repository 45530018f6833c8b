import { Injectable } from '@nestjs/common';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { BatchLoader } from './batch-loader.js';
import { hashArray, isOneOf } from './batch-parameters.js';
import { type PreparedStatement, preparedStatement, type Row, SigraDatabase } from './sigra-database.js';
import { timeColumn, toDate } from './time-column.js';
import { UserDirectory } from './user-directory.js';

/** Where a presented refresh token belongs, and what of its family never changes. */
export interface LocatedRefreshToken {
  readonly id: string;
  readonly family_id: string;
  readonly user_id: string;
  readonly epoch: number;
  readonly scopes: readonly string[];
  readonly absolute_expires_at: Date;
  /** Whether it looked unused a moment ago: a reason to try, and none to decide anything. */
  readonly looksFresh: boolean;
}

interface RawRow extends Row {
  readonly sigra_key: string;
  readonly token_id: string;
  readonly family_id: string;
  readonly user_id: string;
  readonly epoch: number;
  readonly scopes: string;
  readonly absolute_expires_at: number;
  readonly fresh: boolean;
}

/** Finds refresh tokens and their users: one query, or two at once, for all of the same event-loop turn. */
@Injectable()
export class RefreshTokenReader {
  private readonly loader: BatchLoader<RawRow>;
  private readonly statement: PreparedStatement;

  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly database: SigraDatabase,
    private readonly users: UserDirectory,
  ) {
    const { table } = users;
    const { refreshTokens, refreshFamilies } = database.tables;
    this.statement = preparedStatement(`
      SELECT encode(t.token_hash, 'hex') AS sigra_key, t.id AS token_id, t.family_id, f.user_id, f.epoch,
        array_to_string(f.scopes, ' ') AS scopes, ${timeColumn('f.absolute_expires_at')} AS absolute_expires_at,
        t.consumed_at IS NULL AND f.revoked_at IS NULL AS fresh${table ? `, ${table.columns}` : ''}
      FROM ${refreshTokens} t JOIN ${refreshFamilies} f ON f.id = t.family_id
      ${table ? `LEFT JOIN ${table.name} u ON ${table.joinOn('f.user_id')}` : ''}
      WHERE ${isOneOf('t.token_hash', '$1')}`);
    this.loader = new BatchLoader({ load: (hashes) => this.read(hashes), timeout: config.lookupTimeout, spread: true });
  }

  /**
   * @param tokenHash SHA-256 of the raw token, in hex
   * @returns nothing for an unknown token; the user only where it exists and is active
   * @throws SigraError `unavailable`
   */
  async find(tokenHash: string): Promise<{ located: LocatedRefreshToken; user: object | undefined } | undefined> {
    const row = await this.loader.load(tokenHash);
    if (!row) return undefined;
    const { table } = this.users;
    const user = table ? await this.users.activeOf(table.hydrate(row)) : await this.users.findActive(row.user_id);
    return { located: toLocated(row), user };
  }

  private async read(hashes: readonly string[]): Promise<ReadonlyMap<string, RawRow>> {
    const rows = await this.database.read<RawRow>(this.statement, [hashArray(hashes)]);
    return new Map(rows.map((row) => [row.sigra_key, row]));
  }
}

function toLocated(row: RawRow): LocatedRefreshToken {
  return {
    id: row.token_id,
    family_id: row.family_id,
    user_id: row.user_id,
    epoch: row.epoch,
    scopes: row.scopes.split(' '),
    absolute_expires_at: toDate(row.absolute_expires_at),
    looksFresh: row.fresh,
  };
}
