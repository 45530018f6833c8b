import type { AuditEvent } from 'nestjs-sigra';
import { refusalsIn, sentenceOf } from './event-sentence.js';
import type { TokenLabel } from './token-labels.service.js';

export interface ActivityEntry {
  readonly at: Date;
  readonly text: string;
  /** Who did it. */
  readonly by: string;
  readonly ipAddress: string | null;
  readonly isRefusal: boolean;
}

/** The events of one token on one day, or those of the account itself. */
export interface ActivityGroup {
  /** @default the account */
  readonly label?: TokenLabel | undefined;
  readonly title: string;
  readonly refusals: number;
  readonly entries: readonly ActivityEntry[];
}

export interface ActivityDay {
  /** In UTC, as `2026-01-31`. */
  readonly day: string;
  /** The day in words. */
  readonly heading: string;
  readonly groups: readonly ActivityGroup[];
}

type Labels = ReadonlyMap<string, TokenLabel>;

/** The ids of the tokens in an event: the one it belongs to, and the one it was done with. */
export function tokenIdsOf(event: AuditEvent): string[] {
  return [tokenOf(event), event.metadata.viaTokenId].filter((id) => typeof id === 'string');
}

/** Groups events by day and by token, in their order. */
export function groupByDay(events: readonly AuditEvent[], labels: Labels): ActivityDay[] {
  return groupBy(events, ({ occurredAt }) => occurredAt.toISOString().slice(0, 10)).map(([day, ofDay]) => ({
    day,
    heading: new Date(day).toLocaleDateString('en-GB', { dateStyle: 'full', timeZone: 'UTC' }),
    groups: groupBy(ofDay, tokenOf).map(([id, ofToken]) => groupOf(id, ofToken, labels)),
  }));
}

/** Groups items by key, in the order in which the keys appear. */
function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): [K, T[]][] {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  return [...groups];
}

/** The token that an event belongs to: the one that it changed, or else the one that it was done with. */
function tokenOf({ targetId, targetType, metadata }: AuditEvent): string | undefined {
  const { viaTokenId } = metadata;
  if (targetType === 'api_token' && targetId !== null) return targetId;
  return typeof viaTokenId === 'string' ? viaTokenId : undefined;
}

function groupOf(id: string | undefined, events: readonly AuditEvent[], labels: Labels): ActivityGroup {
  const label = id === undefined ? undefined : labels.get(id);
  const named = events.find(
    ({ metadata, targetType }) => targetType === 'api_token' && typeof metadata.name === 'string',
  );
  const name = label?.name ?? (named ? String(named.metadata.name) : 'A deleted token');
  return {
    label,
    title: id === undefined ? 'Your account' : name,
    refusals: events.reduce((sum, event) => sum + refusalsIn(event), 0),
    entries: events.map((event) => entryOf(event, id, labels)),
  };
}

function entryOf(event: AuditEvent, id: string | undefined, labels: Labels): ActivityEntry {
  const { occurredAt: at, ipAddress } = event;
  return { at, text: sentenceOf(event), by: actorOf(event, id, labels), ipAddress, isRefusal: refusalsIn(event) > 0 };
}

function actorOf({ actorType, metadata: { viaTokenId } }: AuditEvent, id: string | undefined, labels: Labels): string {
  if (actorType === 'system') return 'the demo itself';
  if (actorType === 'anonymous') return 'someone who has the token';
  if (typeof viaTokenId !== 'string') return 'you';
  return viaTokenId === id
    ? 'you, with this token'
    : `you, with “${labels.get(viaTokenId)?.name ?? 'a deleted token'}”`;
}
