import type { DataSource } from 'typeorm';
import { hasConnectionTimeout } from '../../persistence/boot-checks.js';
import { TOLERATED_CLOCK_DIFFERENCE } from '../../persistence/clock-difference.js';
import type { ConnectionFacts } from '../../persistence/set-up.reader.js';
import type { Check } from './finding.js';

/** The default of `pg`. */
const DEFAULT_POOL = 10;

/** The connections that a DataSource opens at most. */
export function poolSizeOf({ options }: DataSource): number {
  const { poolSize, extra } = options as { poolSize?: number; extra?: { max?: number } };
  return extra?.max ?? poolSize ?? DEFAULT_POOL;
}

/** Checks of the options of the DataSource. */
export const dataSourceChecks: readonly Check<DataSource>[] = [
  {
    code: 'connection.timeout',
    severity: 'warning',
    remedy: 'Set connectTimeoutMS: 2000 in the options of the DataSource.',
    find: (dataSource) =>
      hasConnectionTimeout(dataSource)
        ? undefined
        : 'The DataSource has no connection timeout: callers wait forever while the database accepts no connections.',
  },
  {
    code: 'connection.pool',
    severity: 'warning',
    remedy: 'Set poolSize to 10 or more in the options of the DataSource.',
    find: (dataSource) =>
      poolSizeOf(dataSource) > 1 ? undefined : 'The pool has one connection: all requests wait for each other.',
  },
];

/** What the connections have, and the options that it is compared with. */
export interface ConnectionState extends ConnectionFacts {
  /** Milliseconds. */
  readonly lookupTimeout: number;
}

/** Checks of the settings of connections, role and server. */
export const connectionChecks: readonly Check<ConnectionState>[] = [
  {
    code: 'connection.client_min_messages',
    severity: 'error',
    remedy:
      'Set client_min_messages to warning, or remove it from the options of the connection, the role and the database.',
    find: ({ clientMinMessages }) =>
      clientMinMessages === 'error'
        ? 'client_min_messages is error, which hides that a synchronous standby has not confirmed a commit. The application does not boot.'
        : undefined,
  },
  {
    code: 'connection.statement_timeout',
    severity: 'warning',
    remedy: 'Set statement_timeout of the role longer than lookupTimeout: ALTER ROLE … SET statement_timeout = …',
    find: ({ statementTimeout, lookupTimeout }) => tooShort('statement_timeout', statementTimeout, lookupTimeout),
  },
  {
    code: 'connection.idle_timeout',
    severity: 'warning',
    remedy: 'Set idle_in_transaction_session_timeout of the role longer than lookupTimeout, such as 60 s.',
    find: ({ idleInTransactionTimeout, lookupTimeout }) =>
      tooShort('idle_in_transaction_session_timeout', idleInTransactionTimeout, lookupTimeout),
  },
  {
    code: 'connection.read_only',
    severity: 'error',
    remedy: 'Connect to the primary, and remove default_transaction_read_only from the role and the database.',
    find: ({ isReadOnly, isStandby }) => {
      if (isStandby) return 'The server is a standby: nothing can be issued or revoked.';
      return isReadOnly ? 'default_transaction_read_only is on: nothing can be issued or revoked.' : undefined;
    },
  },
  {
    code: 'connection.superuser',
    severity: 'warning',
    remedy:
      'Connect with a role that has no more than SELECT, INSERT, UPDATE and DELETE on the tables: see "The role of the application" in docs/operations.md.',
    find: ({ isSuperuser }) =>
      isSuperuser
        ? 'The role is a superuser: an SQL injection anywhere in the application reads all files of the server.'
        : undefined,
  },
  {
    code: 'server.fsync',
    severity: 'error',
    remedy: 'Set fsync = on in postgresql.conf.',
    find: ({ fsync }) => (fsync ? undefined : 'fsync is off: a crash of the machine destroys the database.'),
  },
  {
    code: 'server.synchronous_commit',
    severity: 'error',
    remedy: 'Set synchronous_commit to on, also for the role and the database.',
    find: ({ synchronousCommit }) =>
      synchronousCommit ? undefined : 'synchronous_commit is off: a crash of the server undoes confirmed revocations.',
  },
  {
    code: 'server.autovacuum',
    severity: 'warning',
    remedy: 'Set autovacuum = on in postgresql.conf.',
    find: ({ autovacuum }) => (autovacuum ? undefined : 'autovacuum is off: tables and indexes grow without end.'),
  },
];

/** Whether the clocks agree, by their difference in milliseconds. */
export const clockCheck: Check<number> = {
  code: 'connection.clock',
  severity: 'error',
  remedy: 'Synchronize the clocks of this machine and of the database (NTP).',
  find: (difference) =>
    Math.abs(difference) > TOLERATED_CLOCK_DIFFERENCE
      ? `The clock of this machine is ${Math.abs(difference / 1000).toFixed(1)} s ${difference > 0 ? 'ahead of' : 'behind'} that of the database: tokens expire at another time than on other machines.`
      : undefined,
};

/** Whether prepared statements are kept. */
export const statementCheck: Check<boolean> = {
  code: 'connection.prepared_statements',
  severity: 'warning',
  remedy: 'Set max_prepared_statements of PgBouncer 1.21 or later, or preparedStatements: false in the options.',
  find: (areKept) =>
    areKept
      ? undefined
      : 'A pooler does not keep prepared statements: some requests are sent twice until the process stops to prepare statements.',
};

function tooShort(name: string, timeout: number, lookupTimeout: number): string | undefined {
  if (timeout === 0 || timeout >= lookupTimeout) return undefined;
  return `${name} is ${timeout} ms, shorter than the lookupTimeout of ${lookupTimeout} ms: a busy server ends requests early.`;
}
