import { randomUUID } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { type PgClient, takeConnection } from './connection-use.js';
import { isNotKept } from './database-error.js';
import { type PreparedStatement, preparedStatement } from './prepared-statement.js';

/** So often a pooler is given the chance to use the backend of one connection for another. */
const ROUNDS = 5;

/**
 * Whether connections keep prepared statements, which a pooler in transaction mode can prevent: a connection prepares a statement,
 * another one takes its backend in a transaction, and the first repeats the statement. Needs two connections.
 */
export async function keepsPreparedStatements(dataSource: DataSource): Promise<boolean> {
  const one = await takeConnection(dataSource);
  try {
    const other = await takeConnection(dataSource);
    try {
      for (let round = 0; round < ROUNDS; round++) {
        // A text of its own: PgBouncer recognizes statements by their texts.
        const statement = preparedStatement(`SELECT pg_backend_pid()::text AS pid, '${randomUUID()}'`);
        if (!(await isKept(one.connection, other.connection, statement))) return false;
      }
      return true;
    } finally {
      other.release();
    }
  } finally {
    one.release();
  }
}

async function isKept(one: PgClient, other: PgClient, statement: PreparedStatement): Promise<boolean> {
  const prepared = { ...statement, values: [] };
  await one.query(prepared);
  await other.query({ text: 'START TRANSACTION READ ONLY', values: [] });
  try {
    await one.query(prepared);
    return true;
  } catch (error) {
    if (isNotKept(error)) return false;
    throw error;
  } finally {
    await other.query({ text: 'ROLLBACK', values: [] });
  }
}
