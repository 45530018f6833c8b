import { isDeepStrictEqual } from 'node:util';
import type { AuditEvent, SigraAuditAction } from '../index.js';

type Facts = Pick<
  AuditEvent,
  'outcome' | 'actorId' | 'actorType' | 'targetId' | 'targetType' | 'ipAddress' | 'userAgent'
>;

/** What must be true of an event; what is left out may be anything. */
export interface ExpectedAuditEvent extends Partial<Facts> {
  /** One of Sigra's actions, or of the host's own. */
  readonly action: SigraAuditAction | (string & {});
  /** Metadata that the event has, among others. Dates count as the ISO text that is stored for them. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export function matchesAuditEvent(event: AuditEvent, expected: ExpectedAuditEvent): boolean {
  const { metadata = {}, ...facts } = expected;
  return has(event, facts) && has(event.metadata, JSON.parse(JSON.stringify(metadata)) as object);
}

/** Whether `subject` has every defined property of `part`, deeply equal. */
function has(subject: object, part: object): boolean {
  const values = subject as Readonly<Record<string, unknown>>;
  return Object.entries(part).every(([key, value]) => value === undefined || isDeepStrictEqual(values[key], value));
}
