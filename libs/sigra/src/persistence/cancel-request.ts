import { connect } from 'node:net';

/** The properties of a client of `pg` that a cancel request needs. */
export interface Cancellable {
  readonly host: string;
  readonly port: number;
  readonly processID?: number | null;
  readonly secretKey?: number | null;
}

const CANCEL_REQUEST_CODE = 80_877_102;

/**
 * Asks the server to end the statement that a connection is executing: CancelRequest of the PostgreSQL protocol, over a
 * connection of its own. It works through PgBouncer, too. Resolves when the server has closed that connection, or when it
 * could not be reached, which a caller must expect.
 *
 * @param timeout in milliseconds
 */
export function requestCancel({ host, port, processID, secretKey }: Cancellable, timeout: number): Promise<void> {
  if (!processID || typeof secretKey !== 'number') return Promise.resolve();
  const message = Buffer.alloc(16);
  message.writeInt32BE(message.length, 0);
  message.writeInt32BE(CANCEL_REQUEST_CODE, 4);
  message.writeInt32BE(processID, 8);
  message.writeInt32BE(secretKey, 12);
  return new Promise((resolve) => {
    const socket = connect(host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port });
    const timer = setTimeout(() => socket.destroy(), timeout);
    // Not `end`: the server closes the connection when it has passed the request on.
    socket.on('connect', () => socket.write(message));
    // An error is always followed by `close`.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
    socket.resume();
  });
}
