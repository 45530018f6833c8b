import type { AuditEvent } from '../index.js';

/** An event in one line, without what it lacks. */
export function describeAuditEvent(event: AuditEvent): string {
  const { action, outcome, actorType, actorId, targetType, targetId, metadata, ipAddress, userAgent } = event;
  const facts = { actorType, actorId, targetType, targetId, metadata, ipAddress, userAgent };
  const known = Object.entries(facts).filter(([, value]) => value !== null);
  return `${action} ${outcome} ${JSON.stringify(Object.fromEntries(known))}`;
}
