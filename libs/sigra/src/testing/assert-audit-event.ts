import { AssertionError } from 'node:assert';
import { isDeepStrictEqual } from 'node:util';
import type { SigraAuditAction } from '../audit/audit-event.js';
import { AuditService } from '../audit/audit.service.js';
import type { AuditEvent } from '../persistence/tables.js';
import { flushBackgroundWrites, type Providers } from './flush-background-writes.js';

type Facts = Pick<
  AuditEvent,
  'outcome' | 'actorId' | 'actorType' | 'targetId' | 'targetType' | 'ipAddress' | 'userAgent'
>;

/** The properties that an event must have; the others are not compared. */
export interface ExpectedAuditEvent extends Partial<Facts> {
  /** One of Sigra's actions, or one of the host's. */
  readonly action: SigraAuditAction | (string & {});
  /** Metadata that the event must contain. Dates are compared with the ISO strings that are stored for them. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** How many of the recorded events a failure shows. */
const SHOWN = 20;

/**
 * Asserts that the audit trail contains an event. Calls `flushBackgroundWrites` first.
 *
 * @returns the event; if several match, the latest
 * @throws AssertionError that lists the 20 latest events
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
    if (matches(event, expected)) found = event;
  }
  if (found) return found;

  const { events, nextCursor } = await audit.query({ limit: SHOWN });
  throw new AssertionError({
    message: [
      `No audit event matches ${JSON.stringify(expected)}.`,
      ...(events.length > 0 ? ['Recorded, latest first:'] : ['No audit events are recorded. Is audit.enabled false?']),
      ...events.map((event) => `- ${describeEvent(event)}`),
      ...(nextCursor === null ? [] : ['- and older events']),
    ].join('\n'),
    actual: undefined,
    expected,
    operator: assertAuditEvent.name,
    stackStartFn: assertAuditEvent,
  });
}

function matches(event: AuditEvent, expected: ExpectedAuditEvent): boolean {
  const { metadata = {}, ...facts } = expected;
  return contains(event, facts) && contains(event.metadata, JSON.parse(JSON.stringify(metadata)) as object);
}

/** Whether `whole` has every property of `part` that is not undefined, deeply equal. */
function contains(whole: object, part: object): boolean {
  const values = whole as Readonly<Record<string, unknown>>;
  return Object.entries(part).every(([key, value]) => value === undefined || isDeepStrictEqual(values[key], value));
}

/** An event in one line, without the properties that are null. */
function describeEvent(event: AuditEvent): string {
  const { action, outcome, actorType, actorId, targetType, targetId, metadata, ipAddress, userAgent } = event;
  const facts = { actorType, actorId, targetType, targetId, metadata, ipAddress, userAgent };
  const known = Object.entries(facts).filter(([, value]) => value !== null);
  return `${action} ${outcome} ${JSON.stringify(Object.fromEntries(known))}`;
}
