import { Injectable } from '@nestjs/common';
import type { QueryRunner } from 'typeorm';
import { SigraConfigError } from '../config/sigra-config-error.js';
import { sigraMigrations } from './migrations/sigra-migrations.js';
import { SigraDatabase } from './sigra-database.js';
import { sigraTables } from './tables.js';

const REMEDY =
  "Run Sigra's migrations: add ...sigraMigrations to the migrations of the DataSource, then run `npx typeorm migration:run`, " +
  'or set migrationsRun: true';
/** Names in the statements of the migrations. */
const INDEX = /CREATE (?:UNIQUE )?INDEX (?:CONCURRENTLY )?("(?:[^"]|"")+")|CONSTRAINT ("(?:[^"]|"")+") PRIMARY KEY/;

/** A table as the database has it. */
interface FoundTable {
  readonly name: string;
  /** JSON arrays of names; null when the table does not exist. */
  readonly columns: string | null;
  readonly indexes: string | null;
}

/** Compares the tables of the database with those that the migrations make. */
@Injectable()
export class SchemaCheck {
  constructor(private readonly database: SigraDatabase) {}

  /**
   * Checks that all tables, columns and valid indexes exist.
   *
   * @throws SigraConfigError when something is missing
   * @throws SigraError `unavailable`
   */
  async assertComplete(): Promise<void> {
    const { names } = this.database;
    const keys = Object.keys(sigraTables) as (keyof typeof sigraTables)[];
    const found = await this.database.query<FoundTable>(
      `SELECT wanted.name,
         (SELECT json_agg(a.attname)::text FROM pg_catalog.pg_attribute a
          WHERE a.attrelid = to_regclass(wanted.name) AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
         (SELECT json_agg(quote_ident(c.relname))::text FROM pg_catalog.pg_index i
          JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
          WHERE i.indrelid = to_regclass(wanted.name) AND i.indisvalid) AS indexes
       FROM unnest($1::text[]) AS wanted(name)`,
      [keys.map((key) => names[key])],
    );
    const indexes = new Set<string>();
    for (const key of keys) {
      const table = found.find(({ name }) => name === names[key]);
      const columns = parse(table?.columns);
      if (!columns) throw incomplete(`has no table ${names[key]}`);
      const missing = sigraTables[key].columnNames.find((column) => !columns.includes(column));
      if (missing !== undefined) throw incomplete(`has no column "${missing}" in ${names[key]}`);
      for (const index of parse(table?.indexes) ?? []) indexes.add(unquote(index));
    }
    for (const { name, remedy } of await this.migratedIndexes()) {
      if (!indexes.has(unquote(name))) throw incomplete(`has no valid index ${name}`, remedy);
    }
  }

  /** The indexes that the migrations create, and what to do when one is missing. */
  private async migratedIndexes(): Promise<readonly { readonly name: string; readonly remedy: string }[]> {
    const statements: string[] = [];
    const recorder = {
      connection: this.database.dataSource,
      query: (statement: string) => {
        statements.push(statement);
        return Promise.resolve();
      },
    };
    for (const Migration of sigraMigrations) await new Migration().up(recorder as unknown as QueryRunner);
    return statements.flatMap((statement) => {
      const [, index, primaryKey] = INDEX.exec(statement) ?? [];
      const name = index ?? primaryKey;
      if (name === undefined) return [];
      return [
        { name, remedy: index === undefined ? REMEDY : `Create it: ${statement.replaceAll(/\s+/g, ' ').trim()}` },
      ];
    });
  }
}

function incomplete(problem: string, remedy = REMEDY): SigraConfigError {
  return new SigraConfigError('dataSource', `${problem}. ${remedy}`);
}

function parse(names: string | null | undefined): readonly string[] | undefined {
  return names ? (JSON.parse(names) as string[]) : undefined;
}

function unquote(identifier: string): string {
  return identifier.startsWith('"') ? identifier.slice(1, -1).replaceAll('""', '"') : identifier;
}
