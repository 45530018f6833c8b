import { createHash } from 'node:crypto';

/** A row as the driver returns it. */
export type Row = Readonly<Record<string, unknown>>;

/** A statement that PostgreSQL parses once per connection. */
export interface PreparedStatement {
  readonly name: string;
  readonly text: string;
}

/** Names a statement by the hash of its text, so that on a shared connection the same name is always the same statement. */
export function preparedStatement(text: string): PreparedStatement {
  return { name: `sigra_${createHash('sha256').update(text).digest('hex').slice(0, 24)}`, text };
}
