import { randomUUID } from 'node:crypto';
import type { DataSource, QueryRunner } from 'typeorm';
import { connect } from './connection-use.js';
import { isNotKept } from './database-error.js';
import { type PreparedStatement, preparedStatement } from './prepared-statement.js';

/** So often a pooler is given the chance to use the backend of one connection for another. */
const ROUNDS = 5;

/**
 * Whether connections keep prepared statements, which a pooler in transaction mode can prevent: a connection prepares a statement,
 * another one takes its backend in a transaction, and the first repeats the statement. Needs two connections.
 */
export async function keepsPreparedStatements(dataSource: DataSource): Promise<boolean> {
  const [one, other] = [dataSource.createQueryRunner(), dataSource.createQueryRunner()];
  try {
    for (let round = 0; round < ROUNDS; round++) {
      // A text of its own: PgBouncer recognizes statements by their texts.
      const statement = preparedStatement(`SELECT pg_backend_pid()::text AS pid, '${randomUUID()}'`);
      if (!(await isKept(one, other, statement))) return false;
    }
    return true;
  } finally {
    await Promise.all([one.release(), other.release()]);
  }
}

async function isKept(one: QueryRunner, other: QueryRunner, statement: PreparedStatement): Promise<boolean> {
  const connection = await connect(one);
  const prepared = { ...statement, values: [] };
  await connection.query(prepared);
  await other.query('START TRANSACTION READ ONLY');
  try {
    await connection.query(prepared);
    return true;
  } catch (error) {
    if (isNotKept(error)) return false;
    throw error;
  } finally {
    await other.query('ROLLBACK');
  }
}
