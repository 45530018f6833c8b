import type { TestApp } from './test-app.js';

export interface TokenTimes {
  readonly expiresAt?: Date | null;
  readonly revokedAt?: Date | null;
}

/** Inserts tokens as they would be after some time, and returns their ids. */
export async function putTokens(test: TestApp, count: number, times: TokenTimes = {}): Promise<string[]> {
  const rows = await test.dataSource.query<{ id: string }[]>(
    `INSERT INTO sigra_api_tokens (id, owner_type, owner_id, token_epoch, name, prefix, hint, token_hash, scopes, expires_at, revoked_at, created_at)
     SELECT gen_random_uuid(), 'user', $1, 0, 'CI', 'sigra_sk_', 'abcd', sha256(gen_random_uuid()::text::bytea), '{admin}', $2, $3,
       '2020-01-01'
     FROM generate_series(1, $4::int) RETURNING id`,
    [test.user.id, times.expiresAt ?? null, times.revokedAt ?? null, count],
  );
  return rows.map(({ id }) => id);
}

export async function remainingTokens(test: TestApp): Promise<string[]> {
  const rows = await test.dataSource.query<{ id: string }[]>('SELECT id FROM sigra_api_tokens');
  return rows.map(({ id }) => id);
}

export async function putAuditEvents(test: TestApp, count: number, occurredAt: Date): Promise<void> {
  await test.dataSource.query(
    `INSERT INTO sigra_audit_events (id, action, outcome, actor_type, metadata, occurred_at)
     SELECT gen_random_uuid(), 'note.add', 'success', 'system', '{}', $1 FROM generate_series(1, $2::int)`,
    [occurredAt, count],
  );
}

export async function putFailures(test: TestApp, count: number, action: string, occurredAt: Date): Promise<void> {
  await test.dataSource.query(
    `INSERT INTO sigra_audit_events (id, action, outcome, actor_type, metadata, occurred_at)
     SELECT gen_random_uuid(), $1, 'failure', 'anonymous', '{}', $2 FROM generate_series(1, $3::int)`,
    [action, occurredAt, count],
  );
}

/** The time this many seconds after the application's current time. */
export function inSeconds(test: TestApp, seconds: number): Date {
  return new Date(test.clock.now().getTime() + seconds * 1000);
}
