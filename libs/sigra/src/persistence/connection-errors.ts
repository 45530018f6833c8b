import type { DataSource } from 'typeorm';

type Emitter = Pick<NodeJS.EventEmitter, 'on'>;

/**
 * Keeps the process alive when a connection is lost between the pool and TypeORM: the pool has stopped listening for its errors
 * and TypeORM has not begun to, and an error event without a listener ends a process. The statement on the connection
 * rejects all the same.
 */
export function surviveConnectionErrors({ driver }: DataSource): void {
  // Also undefined when the application does not use node-postgres.
  const { master } = driver as { readonly master?: Emitter };
  const known = new WeakSet<Emitter>();
  master?.on('acquire', (client: Emitter) => {
    if (known.has(client)) return;
    known.add(client);
    client.on('error', () => undefined);
  });
}
