import { Injectable } from '@nestjs/common';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { apiTokenColumn, type ApiTokenRow, type RawApiTokenRow, toApiTokenRow } from './api-token-row.js';
import { BatchLoader } from './batch-loader.js';
import { hashArray, isOneOf } from './batch-parameters.js';
import { type PreparedStatement, preparedStatement, type Row, SigraDatabase } from './sigra-database.js';
import { UserDirectory } from './user-directory.js';

type CredentialRow = RawApiTokenRow & Row;

/** What the database says of a presented token. Requests that present it at the same moment share it. */
export class FoundCredential {
  constructor(
    private readonly row: CredentialRow,
    private readonly users: UserDirectory,
  ) {}

  /** Made anew for every caller, who may do with it what it likes. */
  token(): ApiTokenRow {
    return toApiTokenRow(this.row);
  }

  /**
   * The owner of `token`, where that one exists and is active. A host's own UserProvider is asked only now: it has nothing
   * to do with a token that is refused anyway.
   */
  ownerOf(token: ApiTokenRow): object | undefined | Promise<object | undefined> {
    const { table } = this.users;
    return table ? this.users.activeOf(table.hydrate(this.row)) : this.users.findActive(token.user_id);
  }
}

/**
 * The read of every request: a token by its hash, together with its owner where both live in the same database. One
 * query, or two at once, for all tokens that are presented in the same event-loop turn, and no cache.
 */
@Injectable()
export class CredentialReader {
  private readonly loader: BatchLoader<FoundCredential>;
  private readonly statement: PreparedStatement;

  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly database: SigraDatabase,
    private readonly users: UserDirectory,
  ) {
    const { table } = users;
    this.statement = preparedStatement(`
      SELECT encode(t.token_hash, 'hex') AS sigra_key, ${apiTokenColumn('t')}${table ? `, ${table.columns}` : ''}
      FROM ${database.tables.apiTokens} t
      ${table ? `LEFT JOIN ${table.name} u ON ${table.joinOn('t.user_id')}` : ''}
      WHERE ${isOneOf('t.token_hash', '$1')}`);
    this.loader = new BatchLoader({ load: (hashes) => this.read(hashes), timeout: config.lookupTimeout, spread: true });
  }

  /**
   * @param tokenHash SHA-256 of the raw token, in hex
   * @throws SigraError `unavailable`
   */
  find(tokenHash: string): Promise<FoundCredential | undefined> {
    return this.loader.load(tokenHash);
  }

  private async read(hashes: readonly string[]): Promise<ReadonlyMap<string, FoundCredential>> {
    const rows = await this.database.read<CredentialRow>(this.statement, [hashArray(hashes)]);
    return new Map(rows.map((row) => [row.sigra_key as string, new FoundCredential(row, this.users)]));
  }
}
