import type { DataSource } from 'typeorm';
import type { Cancellable } from './cancel-request.js';
import type { PreparedStatement, Row } from './prepared-statement.js';

/** A statement with its values. Without a name, the server parses it each time. */
export interface BoundStatement {
  readonly name?: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

/** The messages of the extended query protocol that `pg` sends. */
interface Connection {
  readonly stream: { cork?(): void; uncork?(): void };
  parse(statement: PreparedStatement): void;
  bind(portal: { statement: string; values: readonly unknown[] }): void;
  describe(portal: { type: 'P'; name: string }): void;
  execute(portal: { portal: string }): void;
}

/** A query of `pg`, which its clients submit when it is its turn. */
interface SubmittedQuery {
  submit(connection: Connection): Error | null;
}

interface Result {
  readonly rows: Row[];
}

/** Gets the result of one statement, or those of several. */
type Answered = (error: Error | null, results: Result | Result[] | undefined) => void;

/** A client of a pool of `pg`. */
export interface PooledClient extends Cancellable {
  query(query: SubmittedQuery): unknown;
  query(statement: { name?: string; text: string; values: unknown[] }): Promise<{ rows: Row[] }>;
  on(event: 'error', listener: () => void): unknown;
  /** @param destroys whether the connection is closed */
  release(destroys?: boolean): void;
}

/** A pool of `pg`. */
export interface Pool {
  connect(): Promise<PooledClient>;
  end(): Promise<void>;
  on(event: 'error', listener: () => void): unknown;
  on(event: 'connect', listener: (client: PooledClient) => void): unknown;
}

type QueryClass = new (statement: {
  name?: string;
  text: string;
  values: unknown[];
  callback: Answered;
}) => SubmittedQuery;

/** A statement that is sent ahead of another one. */
interface SentAhead extends BoundStatement {
  /** Whether the connection has prepared it. */
  readonly isKnown: boolean;
}

/** The parts of the driver `pg` that are used here. */
export interface PgDriver {
  readonly Pool: new (options: Readonly<Record<string, unknown>>) => Pool;
  readonly Together: new (first: SentAhead, second: BoundStatement, callback: Answered) => SubmittedQuery;
}

/** The driver that the application's connections use; undefined for one in another language. */
export function pgDriverOf({ driver }: DataSource): PgDriver | undefined {
  const { Pool, Query } =
    (driver as unknown as { postgres?: { Pool?: PgDriver['Pool']; Query?: QueryClass } }).postgres ?? {};
  return typeof Pool === 'function' && typeof Query === 'function' ? { Pool, Together: togetherOf(Query) } : undefined;
}

/**
 * Sends two statements in one message, which no pooler divides between two servers: both run in one transaction, the second with
 * a later snapshot than the first.
 *
 * @returns the rows of both
 */
export function sendTogether(
  { Together }: PgDriver,
  client: PooledClient,
  first: SentAhead,
  second: BoundStatement,
): Promise<readonly [Row[], Row[]]> {
  return new Promise((resolve, reject) => {
    const callback: Answered = (error, results) => {
      const [one, other] = [results].flat();
      if (error) reject(error);
      else if (one && other) resolve([one.rows, other.rows]);
      else reject(new Error('sigra: the standby did not answer both statements'));
    };
    client.query(new Together(first, second, callback));
  });
}

/** A class for each driver, and not for each read, which would cost as much as the read. */
function togetherOf(Query: QueryClass): PgDriver['Together'] {
  return class Together extends Query {
    constructor(
      private readonly first: SentAhead,
      second: BoundStatement,
      callback: Answered,
    ) {
      super({ ...second, values: [...second.values], callback });
    }

    /** Without Sync, which ends the transaction: that of the second statement follows. */
    override submit(connection: Connection): Error | null {
      const { name = '', text, values, isKnown } = this.first;
      connection.stream.cork?.();
      try {
        if (!isKnown) connection.parse({ name, text });
        connection.bind({ statement: name, values });
        connection.describe({ type: 'P', name: '' });
        connection.execute({ portal: '' });
        return super.submit(connection);
      } finally {
        connection.stream.uncork?.();
      }
    }
  };
}
