import { AssertionError } from 'node:assert';
import { type AuditEvent, AuditService } from '../index.js';
import { describeAuditEvent } from './describe-audit-event.js';
import { type ExpectedAuditEvent, matchesAuditEvent } from './expected-audit-event.js';
import { flushBackgroundWrites } from './flush-background-writes.js';
import type { Providers } from './providers.js';

const SHOWN = 20;

/**
 * Asserts that the audit trail has an event, after writing what still waits in memory.
 *
 * @returns the event; the latest, where several match
 * @throws AssertionError that shows which events there are
 *
 * @example
 * const event = await assertAuditEvent(app, {
 *   action: 'api.token_revoke',
 *   actorId: user.id,
 *   targetId: token.id,
 *   metadata: { name: 'CI' },
 * });
 */
export async function assertAuditEvent(app: Providers, expected: ExpectedAuditEvent): Promise<AuditEvent> {
  await flushBackgroundWrites(app);
  const audit = app.get(AuditService);
  let found: AuditEvent | undefined;
  for await (const event of audit.stream({ action: expected.action })) {
    if (matchesAuditEvent(event, expected)) found = event;
  }
  if (found) return found;

  const { events, nextCursor } = await audit.query({ limit: SHOWN });
  throw new AssertionError({
    message: [
      `No audit event matches ${JSON.stringify(expected)}.`,
      ...(events.length > 0 ? ['Recorded, latest first:'] : ['None is recorded at all: is audit.enabled false?']),
      ...events.map((event) => `- ${describeAuditEvent(event)}`),
      ...(nextCursor === null ? [] : ['- and older ones']),
    ].join('\n'),
    actual: undefined,
    expected,
    operator: assertAuditEvent.name,
    stackStartFn: assertAuditEvent,
  });
}
