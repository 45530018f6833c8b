import { Injectable } from '@nestjs/common';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { unnestOf } from './batch-parameters.js';
import { BatchLoader } from './batch-loader.js';
import { type PreparedStatement, preparedStatement, type Row, SigraDatabase } from './sigra-database.js';
import { UserDirectory } from './user-directory.js';

/** What the database says of the subject of a JWT. */
export interface FoundSubject {
  readonly user: object;
  readonly epoch: number;
  /** Whether the family exists and is not revoked. Only looked at where a family was asked for. */
  readonly familyLive: boolean;
}

/**
 * The read of every request with a JWT: epoch, family and, where it lives in the same database, the user. One query,
 * or two at once, for all that arrive in the same event-loop turn, and no cache.
 */
@Injectable()
export class SubjectReader {
  private readonly loader: BatchLoader<Row>;
  private readonly statement: PreparedStatement;

  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly database: SigraDatabase,
    private readonly users: UserDirectory,
  ) {
    const { table } = users;
    const { subjects, refreshFamilies } = database.tables;
    this.statement = preparedStatement(`
      SELECT wanted.key AS sigra_key, coalesce(s.token_epoch, 0) AS sigra_epoch,
        f.id IS NOT NULL AND f.revoked_at IS NULL AS sigra_family_live${table ? `, ${table.columns}` : ''}
      FROM ${unnestOf('$1::text[]', '$2::text[]', '$3::uuid[]')} AS wanted(key, user_id, family_id)
      LEFT JOIN ${subjects} s ON s.user_id = wanted.user_id
      LEFT JOIN ${refreshFamilies} f ON f.id = wanted.family_id AND f.user_id = wanted.user_id
      ${table ? `JOIN ${table.name} u ON ${table.joinOn('wanted.user_id')}` : ''}`);
    this.loader = new BatchLoader({ load: (keys) => this.read(keys), timeout: config.lookupTimeout, spread: true });
  }

  /**
   * @param familyId also read this family, a UUID
   * @returns nothing when the user does not exist or is not active
   * @throws SigraError `unavailable`
   */
  async find(userId: string, familyId?: string): Promise<FoundSubject | undefined> {
    const { table } = this.users;
    const loading = this.loader.load(`${familyId ?? ''} ${userId}`);
    const [row, provided] = table ? [await loading] : await Promise.all([loading, this.users.findActive(userId)]);
    if (!row) return undefined;
    const user = table ? await this.users.activeOf(table.hydrate(row)) : provided;
    if (!user) return undefined;
    // Another spelling of the id, such as a UUID in capitals, finds the user but not what is kept under the one spelling.
    if (this.users.idOf(user) !== userId) return undefined;
    return { user, epoch: Number(row.sigra_epoch), familyLive: row.sigra_family_live === true };
  }

  private async read(keys: readonly string[]): Promise<ReadonlyMap<string, Row>> {
    const parts = keys.map((key) => {
      const space = key.indexOf(' ');
      return { familyId: key.slice(0, space) || null, userId: key.slice(space + 1) };
    });
    const rows = await this.database.read(this.statement, [
      keys,
      parts.map(({ userId }) => userId),
      parts.map(({ familyId }) => familyId),
    ]);
    return new Map(rows.map((row) => [row.sigra_key as string, row]));
  }
}
