import { afterEach, describe, expect, it } from '@jest/globals';
import { sigraMigrations } from 'nestjs-sigra';
import { FakeClock } from 'nestjs-sigra/testing';
import pg from 'pg';
import { DefaultNamingStrategy, EventSubscriber, type EntitySubscriberInterface, type Logger } from 'typeorm';
import { createDatabase, onDatabase, type TestDatabase } from '../support/database.js';
import { onEveryConnection } from '../support/every-connection.js';
import { closeJwtApps, startJwtApp } from '../support/jwt-app.js';
import { MAIN_JWT, MAIN_RESULTS, MAIN_SIGRA, mainFlows, START } from '../support/main-flows.js';
import { USERS } from '../support/migrated-database.js';
import { isOldestPostgres } from '../support/oldest-postgres.js';
import { User } from '../support/test-app.js';

/** The numbers of PostgreSQL types. */
const { BOOL, BYTEA, FLOAT4, FLOAT8, INT2, INT4, INT8, NUMERIC, JSON, JSONB, DATE, TIMESTAMP, TIMESTAMPTZ, INTERVAL } =
  pg.types.builtins;
const ARRAYS = [1000, 1001, 1002, 1003, 1005, 1007, 1009, 1014, 1015, 1016, 1021, 1022, 1115, 1185, 1231, 2951];
const TIMES = [DATE, TIMESTAMP, TIMESTAMPTZ];
const NUMBERS = [INT2, INT4, INT8, FLOAT4, FLOAT8, NUMERIC];

type Parser = (text: string) => unknown;

/** The type definitions of `pg` allow only the types of `builtins`. */
const PARSERS = pg.types as unknown as {
  getTypeParser(type: number): Parser;
  setTypeParser(type: number, parser: Parser): void;
};

interface Setting {
  /** Type parsers of `pg`. */
  readonly parsers?: readonly (readonly [types: readonly number[], parser: Parser])[];
  /** Options of the DataSource. */
  readonly connection?: Readonly<Record<string, unknown>> & { readonly extra?: object };
  /** Settings of every session. */
  readonly session?: Readonly<Record<string, string>>;
  /** Creates the tables of the host. @default that of `User` */
  readonly tables?: string;
  /** Runs on every connection of the pool when the application has started. */
  readonly later?: string;
  /** Part of the error of the boot, with the oldest version of PostgreSQL. */
  readonly refused?: string;
}

const asText: Parser = (text) => text;
const asBigInt: Parser = (text) => BigInt(text);

/** Upper-cases all names, given or not. */
class UpperCase extends DefaultNamingStrategy {
  override tableName(entity: string, given: string | undefined) {
    return super.tableName(entity, given).toUpperCase();
  }
  override columnName(property: string, given: string | undefined, prefixes: string[]) {
    return super.columnName(property, given as string, prefixes).toUpperCase();
  }
}

/** Changes the names that the entity does not give. */
class SnakeCase extends DefaultNamingStrategy {
  override tableName(entity: string, given: string | undefined) {
    return given ?? snakeCase(entity);
  }
  override columnName(property: string, given: string | undefined, prefixes: string[]) {
    return snakeCase([...prefixes, given ?? property].join('_'));
  }
}

function snakeCase(name: string): string {
  return name.replace(/(?<=.)[A-Z]/g, '_$&').toLowerCase();
}

class Recorder implements Logger {
  readonly calls: unknown[] = [];
  logQuery = this.record;
  logQueryError = this.record;
  logQuerySlow = this.record;
  logSchemaBuild = this.record;
  logMigration = this.record;
  log = this.record;

  private record(...args: unknown[]) {
    this.calls.push(args);
  }
}

@EventSubscriber()
class QuerySubscriber implements EntitySubscriberInterface {
  readonly seen: unknown[] = [];
  beforeQuery = (event: unknown) => void this.seen.push(event);
  afterQuery = (event: unknown) => void this.seen.push(event);
  beforeTransactionStart = (event: unknown) => void this.seen.push(event);
  afterTransactionCommit = (event: unknown) => void this.seen.push(event);
}

/** Makes Sigra read users with TypeORM. */
@EventSubscriber()
class UserSubscriber implements EntitySubscriberInterface<User> {
  listenTo = () => User;
  afterLoad = () => undefined;
}

class Other {
  readonly id = 1;
}

@EventSubscriber()
class OtherSubscriber implements EntitySubscriberInterface {
  listenTo = () => Other;
  afterLoad() {
    throw new Error('Sigra loads no such entity');
  }
}

const CACHE = `CREATE TABLE "query-result-cache" (id serial PRIMARY KEY, identifier varchar, time bigint NOT NULL,
  duration integer NOT NULL, query text NOT NULL, result text NOT NULL)`;
const ALL_AS_TEXT = [[[...TIMES, ...NUMBERS, ...ARRAYS, BOOL, BYTEA, JSON, JSONB, INTERVAL], asText]] as const;
const subscribers = [UserSubscriber];

const SETTINGS: Readonly<Record<string, Setting>> = {
  'no setting': {},
  'times as strings': { parsers: [[TIMES, asText]] },
  'numbers as strings': { parsers: [[NUMBERS, asText]] },
  'integers as BigInt': { parsers: [[[INT2, INT4, INT8], asBigInt]] },
  'JSON as text': { parsers: [[[JSON, JSONB], asText]] },
  'arrays as text': { parsers: [[ARRAYS, asText]] },
  'booleans as text': { parsers: [[[BOOL], asText]] },
  'booleans as numbers': { parsers: [[[BOOL], (text) => (text === 't' ? 1 : 0)]] },
  'bytea as text': { parsers: [[[BYTEA], asText]] },
  'everything as text': { parsers: ALL_AS_TEXT },
  'everything as text, and users that TypeORM reads': { parsers: ALL_AS_TEXT, connection: { subscribers } },
  parseInt8: { connection: { parseInt8: true } },

  'a naming strategy of snake case': { connection: { namingStrategy: new SnakeCase() } },
  'a naming strategy of upper case': {
    connection: { namingStrategy: new UpperCase() },
    tables: `CREATE TABLE "USERS" ("ID" uuid PRIMARY KEY DEFAULT gen_random_uuid(), "EMAIL" text NOT NULL,
      "PASSWORD_HASH" text NOT NULL DEFAULT 'secret', "DISABLED_AT" timestamptz)`,
  },
  'a prefix': { connection: { entityPrefix: 'Acme ' }, tables: USERS.replace('users', '"Acme users"') },
  'a logger': { connection: { logger: new Recorder(), logging: 'all' } },
  'the time of slow queries': { connection: { logger: new Recorder(), maxQueryExecutionTime: 1 } },
  'subscribers of queries': { connection: { subscribers: [QuerySubscriber, OtherSubscriber] } },
  'subscribers of users': { connection: { subscribers } },
  cache: { connection: { cache: true }, tables: `${USERS}; ${CACHE}` },
  'cache.alwaysEnabled': { connection: { cache: { alwaysEnabled: true } }, tables: `${USERS}; ${CACHE}` },
  'cache.alwaysEnabled, and users that TypeORM reads': {
    connection: { cache: { alwaysEnabled: true }, subscribers },
    tables: `${USERS}; ${CACHE}`,
  },
  'synchronize and dropSchema': { connection: { synchronize: false, dropSchema: false } },
  'a pool of one connection': { connection: { poolSize: 1 } },
  'a pool of one connection, and users that TypeORM reads': { connection: { poolSize: 1, subscribers } },
  'isolationLevel SERIALIZABLE': { connection: { isolationLevel: 'SERIALIZABLE' } },
  'isolationLevel REPEATABLE READ': { connection: { isolationLevel: 'REPEATABLE READ' } },
  'an odd application_name': { connection: { applicationName: `O'Neil \\ "7" %s $1; -- äß😀` } },

  TimeZone: { session: { TimeZone: 'Pacific/Chatham' } },
  'an ambiguous TimeZone': { session: { TimeZone: 'Asia/Kolkata', DateStyle: 'SQL, DMY' } },
  DateStyle: { session: { DateStyle: 'SQL, DMY' } },
  'DateStyle and TimeZone': { session: { DateStyle: 'Postgres, DMY', TimeZone: 'America/St_Johns' } },
  IntervalStyle: { session: { IntervalStyle: 'sql_standard' } },
  extra_float_digits: { session: { extra_float_digits: '-15' }, refused: 'round times' },
  bytea_output: { session: { bytea_output: 'escape' } },
  standard_conforming_strings: { session: { standard_conforming_strings: 'off' } },
  array_nulls: { session: { array_nulls: 'off' } },
  quote_all_identifiers: { session: { quote_all_identifiers: 'on' } },
  'default_transaction_isolation serializable': { session: { default_transaction_isolation: 'serializable' } },
  'default_transaction_isolation repeatable read': { session: { default_transaction_isolation: 'repeatable read' } },
  default_transaction_deferrable: {
    session: { default_transaction_isolation: 'serializable', default_transaction_deferrable: 'on' },
  },
  timeouts: { session: { default_transaction_read_only: 'off', statement_timeout: '30s', lock_timeout: '30s' } },
  query_timeout: { connection: { extra: { query_timeout: 5000 } } },
  row_security: { session: { row_security: 'off' } },
  plan_cache_mode: { session: { plan_cache_mode: 'force_custom_plan' } },
  'plan_cache_mode of generic plans': { session: { plan_cache_mode: 'force_generic_plan' } },
  enable_seqscan: { session: { enable_seqscan: 'off' } },
  enable_indexscan: { session: { enable_indexscan: 'off', enable_bitmapscan: 'off', enable_indexonlyscan: 'off' } },
  'a search_path that changes': { later: 'SET search_path = pg_catalog' },
  'a search_path that changes, and users that TypeORM reads': {
    connection: { subscribers },
    later: 'SET search_path = pg_catalog',
  },
};

describe('The main flows give the same results with', () => {
  const parseInt8 = pg.defaults.parseInt8;
  const restore: (() => void)[] = [];
  let database: TestDatabase | undefined;

  const setParsers = ({ parsers = [] }: Setting) => {
    for (const [types, parser] of parsers) {
      for (const type of types) {
        const usual = PARSERS.getTypeParser(type);
        restore.push(() => PARSERS.setTypeParser(type, usual));
        PARSERS.setTypeParser(type, parser);
      }
    }
  };
  const start = async (setting: Setting) => {
    const { connection, session = {}, tables = USERS } = setting;
    database = await createDatabase();
    await onDatabase(database.url, (client) => client.query(tables));
    setParsers(setting);
    const options = Object.entries(session).map(([name, value]) => `-c ${name}=${value.replaceAll(' ', '\\ ')}`);
    return startJwtApp(MAIN_JWT, {
      databaseUrl: database.url,
      clock: new FakeClock(START),
      sigra: MAIN_SIGRA,
      connection: {
        migrations: sigraMigrations,
        migrationsRun: true,
        ...connection,
        extra: { options: options.join(' '), ...connection?.extra },
      },
    });
  };

  afterEach(async () => {
    await closeJwtApps();
    await database?.drop();
    // The files that follow use the same pg.
    for (const undo of restore.splice(0)) undo();
    pg.defaults.parseInt8 = parseInt8;
  });

  it.each(Object.entries(SETTINGS))('%s', async (_name, setting) => {
    if (setting.refused && isOldestPostgres) {
      await expect(start(setting)).rejects.toThrow(setting.refused);
      return;
    }
    const test = await start(setting);
    if (setting.later) await onEveryConnection(test.dataSource, setting.later);

    const results = await mainFlows(test);

    expect(results).toEqual(MAIN_RESULTS);
  });
});
