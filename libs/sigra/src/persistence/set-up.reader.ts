import { DATABASE_TIME } from './clock-difference.js';
import { ownerTypesQuery } from './owner-types.query.js';
import type { SigraDatabase } from './sigra-database.js';

/** The settings of the connections, their role and their server. */
export interface ConnectionFacts {
  readonly clientMinMessages: string;
  /** Milliseconds; 0 without a limit. */
  readonly statementTimeout: number;
  /** Milliseconds; 0 without a limit. */
  readonly idleInTransactionTimeout: number;
  readonly isReadOnly: boolean;
  readonly isStandby: boolean;
  readonly isSuperuser: boolean;
  readonly fsync: boolean;
  readonly synchronousCommit: boolean;
  readonly autovacuum: boolean;
}

/** The state of one of the tables. */
export interface TableFacts {
  /** Qualified and quoted. */
  readonly name: string;
  readonly autovacuum: boolean;
  /** Whether policies of row-level security apply to the role. */
  readonly hidesRows: boolean;
  readonly missingPrivileges: readonly string[] | null;
}

const PRIVILEGES = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];
/** A table with fewer rows can be read as fast without an index. */
const LARGE_ROWS = 10_000;

/** Reads facts about a database that its owner or its operator sets. Each method sends one statement, which only reads. */
export class SetUpReader {
  constructor(private readonly database: SigraDatabase) {}

  connection(): Promise<ConnectionFacts> {
    const milliseconds = (name: string) =>
      `(SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = '${name}')`;
    const isOn = (name: string) => `current_setting('${name}') <> 'off'`;
    return this.json(
      `SELECT json_build_object(
         'clientMinMessages', current_setting('client_min_messages'),
         'statementTimeout', ${milliseconds('statement_timeout')},
         'idleInTransactionTimeout', ${milliseconds('idle_in_transaction_session_timeout')},
         'isReadOnly', ${isOn('default_transaction_read_only')},
         'isStandby', pg_is_in_recovery(),
         'isSuperuser', (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user),
         'fsync', ${isOn('fsync')},
         'synchronousCommit', ${isOn('synchronous_commit')},
         'autovacuum', ${isOn('autovacuum')})::text AS found`,
    );
  }

  /** The time of the database, for `clockDifference()`. */
  async time(): Promise<string> {
    return (await this.database.queryOne<{ now: string }>(`SELECT ${DATABASE_TIME} AS now`, [])).now;
  }

  /** The tables that exist. */
  tables(): Promise<readonly TableFacts[]> {
    return this.json(
      `SELECT coalesce(json_agg(json_build_object(
         'name', wanted.name,
         'autovacuum', NOT EXISTS (
           SELECT FROM unnest(c.reloptions) AS option WHERE option IN ('autovacuum_enabled=false', 'autovacuum_enabled=off')),
         'hidesRows', row_security_active(c.oid),
         'missingPrivileges', (
           SELECT json_agg(privilege) FROM unnest($2::text[]) AS privilege
           WHERE NOT has_table_privilege(c.oid, privilege)))), '[]')::text AS found
       FROM unnest($1::text[]) AS wanted(name) JOIN pg_catalog.pg_class c ON c.oid = to_regclass(wanted.name)`,
      [Object.values(this.database.names), PRIVILEGES],
    );
  }

  /** The types of owners that have credentials. */
  ownerTypes(): Promise<readonly string[]> {
    return this.json(ownerTypesQuery(this.database.names));
  }

  /** The types that applications have claimed for a table of users that exists. */
  claimedTypes(): Promise<readonly string[]> {
    return this.json(
      `SELECT coalesce(json_agg(owner_type), '[]')::text AS found FROM ${this.database.names.ownerTypes}
       WHERE to_regclass(user_table) IS NOT NULL`,
    );
  }

  /** Whether a credential is limited to addresses. It can read a whole table, and is cancelled at `lookupTimeout`. */
  limitsAddresses(): Promise<boolean> {
    const { apiTokens, refreshFamilies } = this.database.names;
    const isLimited = (table: string) =>
      `EXISTS (SELECT FROM ${table} WHERE allowed_ips IS NOT NULL AND revoked_at IS NULL)`;
    return this.json(`SELECT to_json(${isLimited(apiTokens)} OR ${isLimited(refreshFamilies)})::text AS found`);
  }

  /** The large tables that requests would read without an index. */
  async scannedTables(): Promise<readonly string[]> {
    const { apiTokens, owners, refreshTokens } = this.database.names;
    const lookups = {
      [apiTokens]: `token_hash = sha256('a')`,
      [refreshTokens]: `token_hash = sha256('a')`,
      [owners]: `owner_type = 'user' AND owner_id = '1' AND (token_epoch > 0 OR family_epoch > 0)`,
    };
    const large = await this.json<readonly string[]>(
      `SELECT coalesce(json_agg(wanted.name), '[]')::text AS found
       FROM unnest($1::text[]) AS wanted(name) JOIN pg_catalog.pg_class c ON c.oid = to_regclass(wanted.name)
       WHERE c.reltuples >= ${LARGE_ROWS}`,
      [Object.keys(lookups)],
    );
    const scanned: string[] = [];
    for (const name of large) {
      const plan = await this.database.query(
        `EXPLAIN (FORMAT JSON) SELECT FROM ${name} WHERE ${lookups[name] ?? ''}`,
        [],
      );
      if (JSON.stringify(plan).includes('Seq Scan')) scanned.push(name);
    }
    return scanned;
  }

  /** As text: the application can set type parsers on `pg`. */
  private async json<T>(sql: string, values: readonly unknown[] = []): Promise<T> {
    const { found } = await this.database.queryOne<{ found: string }>(sql, values);
    return JSON.parse(found) as T;
  }
}
