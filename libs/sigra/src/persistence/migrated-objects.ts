import type { DataSource, MigrationInterface, QueryRunner } from 'typeorm';

/** A quoted name. */
const NAME = '("(?:[^"]|"")+")';
/** Parts of the statements of the migrations. */
const INDEX = new RegExp(
  `CREATE (?<unique>UNIQUE )?INDEX (?:CONCURRENTLY )?${NAME}\\s+ON\\s+(?:${NAME}\\.)?${NAME}\\s+(?:USING (?<method>\\w+) )?\\((?<columns>[^)]+)\\)(?:\\s+WHERE\\s+(?<condition>.+))?`,
  's',
);
const PRIMARY_KEY = new RegExp(`CONSTRAINT ${NAME} PRIMARY KEY`);
const FOREIGN_KEY = new RegExp(`CONSTRAINT ${NAME}\\s+(?:FOREIGN KEY \\([^)]+\\)\\s+)?REFERENCES`, 'g');
const DROPPED_INDEX = new RegExp(`DROP INDEX (?:CONCURRENTLY )?(?:IF EXISTS )?(?:${NAME}\\.)?${NAME}`);
const DROPPED_CONSTRAINT = new RegExp(`DROP CONSTRAINT (?:IF EXISTS )?${NAME}`);

/** An index that migrations make. Its name is quoted. */
export interface MigratedIndex {
  readonly name: string;
  /** Undefined for a primary key, which is compared by its name. */
  readonly shape?: string;
  /** The condition of a partial index. */
  readonly condition?: string | undefined;
  /** The statement that makes the index; undefined for a primary key, which is made with its table. */
  readonly statement?: string;
}

/** The indexes and foreign keys that migrations leave. */
export interface MigratedObjects {
  readonly indexes: readonly MigratedIndex[];
  /** Quoted names. */
  readonly foreignKeys: readonly string[];
}

/** Reads the statements of migrations, in order, without running them. */
export async function migratedObjects(
  dataSource: DataSource,
  migrations: readonly (new () => MigrationInterface)[],
): Promise<MigratedObjects> {
  const statements: string[] = [];
  const recorder = {
    connection: dataSource,
    query: (statement: string) => {
      statements.push(statement);
      return Promise.resolve([]);
    },
  };
  for (const Migration of migrations) await new Migration().up(recorder as unknown as QueryRunner);
  const indexes = new Map<string, MigratedIndex>();
  const foreignKeys = new Set<string>();
  for (const statement of statements) {
    indexes.delete(DROPPED_INDEX.exec(statement)?.[2] ?? '');
    foreignKeys.delete(DROPPED_CONSTRAINT.exec(statement)?.[1] ?? '');
    const index = indexIn(statement);
    if (index) indexes.set(index.name, index);
    for (const [, name = ''] of statement.matchAll(FOREIGN_KEY)) foreignKeys.add(name);
  }
  return { indexes: [...indexes.values()], foreignKeys: [...foreignKeys] };
}

/** The index that a statement creates, if it does, or that of a primary key. */
function indexIn(statement: string): MigratedIndex | undefined {
  const primaryKey = PRIMARY_KEY.exec(statement)?.[1];
  if (primaryKey !== undefined) return { name: primaryKey };
  const found = INDEX.exec(statement);
  const name = found?.[2];
  if (name === undefined) return undefined;
  const { unique = '', method = 'btree', columns = '', condition } = found?.groups ?? {};
  const shape = `${unique.toLowerCase()}${method} (${columns})${condition === undefined ? '' : ' with a condition'}`;
  return { name, shape, condition, statement: statement.replaceAll(/\s+/g, ' ').trim() };
}
