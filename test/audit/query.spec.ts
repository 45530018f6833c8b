import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type AuditEvent, type AuditFilter, type AuditQuery, AuditService } from 'nestjs-sigra';
import { QueryLog } from '../support/query-log.js';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const START = Date.UTC(2026, 0, 1);
const COUNT = 60;
const at = (hour: number) => new Date(START + hour * 3_600_000);

/** 60 events, three in every hour, whose details depend on their number. */
const EVENTS = Array.from({ length: COUNT }, (_, number) => ({
  action: number % 2 ? 'note.add' : 'note.delete',
  outcome: number % 5 === 0 ? ('failure' as const) : ('success' as const),
  actorId: `user-${number % 3}`,
  actorType: number % 2 ? 'robot' : 'user',
  targetId: `note-${number % 4}`,
  targetType: number % 7 === 0 ? 'folder' : 'note',
  metadata: { number },
  occurredAt: at(Math.floor(number / 3)),
}));

const numbersOf = (events: readonly AuditEvent[]) => events.map(({ metadata }) => metadata.number as number);

describe('reading the audit trail', () => {
  let test: TestApp;
  let audit: AuditService;

  const readAll = async (query: AuditQuery) => {
    const pages: (readonly AuditEvent[])[] = [];
    let cursor: string | null | undefined;
    while (cursor !== null) {
      const page = await audit.query({ ...query, cursor });
      pages.push(page.events);
      cursor = page.nextCursor;
    }
    return pages;
  };
  const stream = async (filter?: AuditFilter) => {
    const events: AuditEvent[] = [];
    for await (const event of audit.stream(filter)) events.push(event);
    return events;
  };

  beforeAll(async () => {
    test = await startTestApp();
    audit = test.get(AuditService);
    for (const event of EVENTS) await audit.log(event.action, event);
  });
  afterAll(() => test.close());

  const filters: readonly [AuditFilter, (event: (typeof EVENTS)[number]) => boolean][] = [
    [{}, () => true],
    [{ action: 'note.add' }, ({ action }) => action === 'note.add'],
    [{ action: 'nothing' }, () => false],
    [{ outcome: 'failure' }, ({ outcome }) => outcome === 'failure'],
    [{ actorId: 'user-1' }, ({ actorId }) => actorId === 'user-1'],
    [
      { actorId: 'user-1', actorType: 'robot' },
      ({ actorId, actorType }) => actorId === 'user-1' && actorType === 'robot',
    ],
    [{ targetId: 'note-2' }, ({ targetId }) => targetId === 'note-2'],
    [{ targetType: 'folder' }, ({ targetType }) => targetType === 'folder'],
    [{ from: at(5) }, ({ occurredAt }) => occurredAt >= at(5)],
    [{ to: at(5) }, ({ occurredAt }) => occurredAt < at(5)],
    [{ from: at(5), to: at(6) }, ({ occurredAt }) => occurredAt.getTime() === at(5).getTime()],
    [{ from: at(6), to: at(6) }, () => false],
    [
      { action: 'note.add', outcome: 'success', actorId: 'user-1', targetType: 'note', from: at(2), to: at(18) },
      (event) =>
        event.action === 'note.add' &&
        event.outcome === 'success' &&
        event.actorId === 'user-1' &&
        event.targetType === 'note' &&
        event.occurredAt >= at(2) &&
        event.occurredAt < at(18),
    ],
  ];

  it.each(filters)(
    'finds the events of the filter %j, newest first, and streams them oldest first',
    async (filter, matches) => {
      const expected = EVENTS.filter(matches).map(({ metadata }) => metadata.number);

      const { events, nextCursor } = await audit.query({ ...filter, limit: 1000 });
      const streamed = await stream(filter);

      expect(numbersOf(events)).toEqual(expected.toReversed());
      expect(nextCursor).toBeNull();
      expect(numbersOf(streamed)).toEqual(expected);
    },
  );

  it.each([1, 2, 3, 7, 60, 61])('skips and repeats nothing in pages of %i', async (limit) => {
    const pages = await readAll({ limit });

    expect(numbersOf(pages.flat())).toEqual(EVENTS.map(({ metadata }) => metadata.number).toReversed());
    expect(pages).toHaveLength(Math.ceil(COUNT / limit));
  });

  it('applies its filters to every page', async () => {
    const pages = await readAll({ actorId: 'user-2', limit: 3 });

    expect(numbersOf(pages.flat())).toEqual(
      EVENTS.filter(({ actorId }) => actorId === 'user-2')
        .map(({ metadata }) => metadata.number)
        .toReversed(),
    );
  });

  it('returns an event with all recorded details', async () => {
    const { events } = await audit.query({ limit: 1 });

    expect(events).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        action: 'note.add',
        outcome: 'success',
        actorId: 'user-2',
        actorType: 'robot',
        targetId: 'note-3',
        targetType: 'note',
        metadata: { number: 59 },
        ipAddress: null,
        userAgent: null,
        occurredAt: at(19),
      },
    ]);
  });

  it('returns 50 events per page by default', async () => {
    const { events } = await audit.query();

    expect(events).toHaveLength(50);
  });

  it.each([0, -1, 1001, 1.5, Number.NaN, '10', null])('rejects with invalid_limit for %p', async (limit) => {
    expect(await refusalOf(audit.query({ limit: limit as number }))).toBe('invalid_limit');
  });

  it('streams any number of events, one page at a time, including events with equal times', async () => {
    await test.dataSource.query(
      `INSERT INTO sigra_audit_events (id, action, outcome, actor_type, metadata, occurred_at)
       SELECT gen_random_uuid(), 'bulk', 'success', 'system', jsonb_build_object('number', n), $1
       FROM generate_series(1, 1000) n`,
      [at(100)],
    );
    const log = QueryLog.of(test.dataSource);

    const events = await stream({ action: 'bulk' });

    expect(numbersOf(events).sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, index) => index + 1));
    expect(log.queries).toHaveLength(3);
    await test.dataSource.query(`DELETE FROM sigra_audit_events WHERE action = 'bulk'`);
  });

  it('reads only the pages that the caller consumes', async () => {
    const log = QueryLog.of(test.dataSource);

    for await (const event of audit.stream()) {
      expect(event.metadata.number).toBe(0);
      break;
    }

    expect(log.queries).toHaveLength(1);
  });

  it('finds nothing for a filter with a NUL', async () => {
    expect(await audit.query({ actorId: 'a\0b' })).toEqual({ events: [], nextCursor: null });
    expect(await stream({ action: '\0' })).toEqual([]);
  });
});
