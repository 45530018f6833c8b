import {
  type DataSource,
  QueryFailedError,
  QueryRunnerAlreadyReleasedError,
  QueryRunnerProviderAlreadyReleasedError,
} from 'typeorm';
import { judged, judgedCommit, sqlState } from './database-error.js';

/** The properties of an error of PostgreSQL and of the operating system, which the types of Node and pg leave out. */
interface ErrorDetails {
  readonly name: string;
  readonly message: string;
  readonly severity?: unknown;
  readonly code?: unknown;
  readonly syscall?: unknown;
  readonly port?: unknown;
  readonly address?: unknown;
  readonly hostname?: unknown;
}

/** The address of a server. */
interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

interface Pool {
  readonly options: object;
  /** A client that is not connected knows the address already. */
  readonly Client: new (options: object) => ServerAddress;
}

/** Errors that `pg`, its pool and TypeORM word themselves. They have no code. */
const WORDED =
  /^(?:Connection terminated(?: unexpectedly| due to connection timeout)?|timeout expired|timeout exceeded when trying to connect|Query read timeout|Client (?:has encountered a connection error|was closed) and is not queryable|Cannot use a pool after calling end on the pool|Received unexpected \w+ message from backend\.|The server does not support SSL connections|There was an error establishing an SSL connection|SASL: .*|Driver not Connected)$/;

/** All that TypeORM says when a connection was lost between two statements. */
const LOST_BETWEEN_STATEMENTS = [QueryRunnerAlreadyReleasedError, QueryRunnerProviderAlreadyReleasedError];

/** Errors of a connection that was open. They name neither host nor port. */
const BROKEN_CONNECTION = /^(?:ECONN|EPIPE|ETIMEDOUT|EHOST|ENET)/;

/**
 * Translates an error that a handler of the application got from its own queries, for a filter or an interceptor. An outage
 * of the database becomes a `SigraError`, as it does in Sigra's own queries: `unavailable`, 503 with `Retry-After`, or
 * `outcome_unknown` if the answer to the COMMIT of a transaction of TypeORM was lost. Mistakes, such as a violated
 * constraint, and all errors that are not from PostgreSQL, `pg` or TypeORM are returned unchanged.
 *
 * The error of a server that cannot be reached counts if it names the host or the port of the DataSource. A connection that
 * was reset while it was open names none, and counts too: catch such errors of other sockets in the handler.
 *
 * @param error anything that was thrown
 * @param dataSource the DataSource that the application queries
 * @returns the error to throw instead
 */
export function translateDatabaseError(error: unknown, dataSource: DataSource): unknown {
  if (!isOfDatabase(error, dataSource)) return error;
  return error instanceof QueryFailedError && error.query === 'COMMIT' ? judgedCommit(error) : judged(error);
}

function isOfDatabase(error: unknown, dataSource: DataSource): boolean {
  if (LOST_BETWEEN_STATEMENTS.some((type) => error instanceof type)) return true;
  if (error instanceof QueryFailedError) {
    // Parameters that cannot be sent, such as circular objects, fail here too, without a code.
    const { code, message } = error.driverError as unknown as ErrorDetails;
    return typeof code === 'string' || WORDED.test(message);
  }
  // One for each address of a host.
  if (error instanceof AggregateError) {
    return error.errors.length > 0 && error.errors.every((each) => isOfDatabase(each, dataSource));
  }
  if (!(error instanceof Error)) return false;
  const details: ErrorDetails = error;
  if (typeof details.severity === 'string') return sqlState(error) !== undefined;
  return WORDED.test(details.message) || addressesOf(dataSource).some((server) => isUnreachable(details, server));
}

/** Whether this is how the operating system says that it cannot reach a server. */
function isUnreachable({ code, syscall, port, address, hostname }: ErrorDetails, server: ServerAddress): boolean {
  switch (syscall) {
    case 'getaddrinfo':
      return hostname === server.host;
    case 'connect':
      return port === server.port || address === `${server.host}/.s.PGSQL.${server.port}`;
    case 'read':
    case 'write':
      return typeof code === 'string' && BROKEN_CONNECTION.test(code);
    default:
      return false;
  }
}

/** As `pg` reads them from URLs, options and the environment. */
function addressesOf({ driver }: DataSource): readonly ServerAddress[] {
  const { master, slaves = [] } = driver as { readonly master?: Pool; readonly slaves?: readonly Pool[] };
  return [...(master ? [master] : []), ...slaves].map(({ Client, options }) => new Client(options));
}
