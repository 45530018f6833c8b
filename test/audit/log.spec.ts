import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type AuditLogSafeError, AuditService } from 'nestjs-sigra';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { auditRows } from '../support/audit-rows.js';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const CHANNEL = 'sigra:audit:log_safe_error';

describe('AuditService.log', () => {
  let test: TestApp;
  let audit: AuditService;
  let lost: AuditLogSafeError[];
  const note = (message: unknown) => void lost.push(message as AuditLogSafeError);

  beforeAll(async () => {
    test = await startTestApp();
    audit = test.get(AuditService);
  });
  beforeEach(async () => {
    lost = [];
    subscribe(CHANNEL, note);
    await test.dataSource.query('TRUNCATE sigra_audit_events');
  });
  afterEach(() => void unsubscribe(CHANNEL, note));
  afterAll(() => test.close());

  it('writes an action with defaults for all other columns', async () => {
    await audit.log('project.delete');

    expect(await auditRows(test.dataSource)).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        action: 'project.delete',
        outcome: 'success',
        actor_id: null,
        actor_type: 'system',
        target_id: null,
        target_type: null,
        metadata: {},
        ip_address: null,
        user_agent: null,
        occurred_at: test.clock.now(),
      },
    ]);
  });

  it('resolves when a getter of the details throws', async () => {
    const details = {
      get actorId(): string {
        throw new Error('a getter of the application');
      },
    };

    await audit.log('project.delete', details);

    expect(lost).toMatchObject([{ reason: 'invalid_event', actions: ['project.delete'] }]);
  });

  it('writes all given details', async () => {
    const occurredAt = new Date('2026-01-01T00:00:00.123Z');

    await audit.log('project.delete', {
      actorId: 'ada',
      actorType: 'robot',
      targetId: '42',
      targetType: 'project',
      outcome: 'failure',
      metadata: { reason: 'too big', nested: [1, null, 'é'] },
      ipAddress: '192.0.2.1',
      userAgent: 'curl',
      occurredAt,
    });

    expect(await auditRows(test.dataSource)).toMatchObject([
      {
        outcome: 'failure',
        actor_id: 'ada',
        actor_type: 'robot',
        target_id: '42',
        target_type: 'project',
        metadata: { reason: 'too big', nested: [1, null, 'é'] },
        ip_address: '192.0.2.1',
        user_agent: 'curl',
        occurred_at: occurredAt,
      },
    ]);
  });

  it('uses the actor type user by default', async () => {
    await audit.log('project.delete', { actorId: 'ada' });

    expect(await auditRows(test.dataSource)).toMatchObject([{ actor_id: 'ada', actor_type: 'user' }]);
  });

  it.each(['api.token_create', 'api.', 'auth.login', 'auth.'])(
    'rejects with reserved_action for the action %p',
    async (action) => {
      expect(await refusalOf(audit.log(action))).toBe('reserved_action');
      expect(await auditRows(test.dataSource)).toEqual([]);
    },
  );

  it.each(['apis.create', 'api', 'authentication.done', 'API.create', 'x.api.create'])(
    'accepts the action %p, which is not reserved',
    async (action) => {
      await audit.log(action);

      expect(await auditRows(test.dataSource)).toMatchObject([{ action }]);
    },
  );

  it.each([
    ['is empty', ''],
    ['is missing', undefined],
    ['is not a string', 42],
    ['is longer than 255 characters', 'x'.repeat(256)],
  ])('rejects with invalid_event when the action %s', async (_case, action) => {
    expect(await refusalOf(audit.log(action as string))).toBe('invalid_event');
  });

  it('publishes invalid_event and resolves when JSON or the columns cannot represent the event', async () => {
    const circular: Record<string, unknown> = {};
    circular.self = circular;

    await audit.log('host.circular', { metadata: circular });
    await audit.log('host.bigint', { metadata: { big: 1n } });
    await audit.log('host.nul', { metadata: { text: '\0' } });
    await audit.log('host.surrogate', { metadata: { text: '\ud800' } });
    await audit.log('host.target', { targetId: 'a\0b' });
    await audit.log('host.date', { occurredAt: new Date(Number.NaN) });
    await audit.log('host.agent', { userAgent: 42 as unknown as string });

    expect(lost.map(({ reason, actions }) => [...actions, reason])).toEqual([
      ['host.circular', 'invalid_event'],
      ['host.bigint', 'invalid_event'],
      ['host.nul', 'invalid_event'],
      ['host.surrogate', 'invalid_event'],
      ['host.target', 'invalid_event'],
      ['host.date', 'invalid_event'],
      ['host.agent', 'invalid_event'],
    ]);
    expect(lost.every(({ error }) => error instanceof Error)).toBe(true);
    expect(await auditRows(test.dataSource)).toEqual([]);
  });

  it('publishes constraint_violation and resolves when a constraint refuses the row', async () => {
    await test.dataSource.query(
      `ALTER TABLE sigra_audit_events ADD CONSTRAINT refused CHECK (action <> 'host.refused') NOT VALID`,
    );

    await audit.log('host.refused');
    await test.dataSource.query('ALTER TABLE sigra_audit_events DROP CONSTRAINT refused');

    expect(lost).toMatchObject([{ reason: 'constraint_violation', actions: ['host.refused'] }]);
  });

  it('publishes unavailable and resolves when the database is unreachable', async () => {
    const doomed = await startTestApp({ databaseUrl: test.databaseUrl });
    await doomed.dataSource.destroy();

    await doomed.get(AuditService).log('host.late');
    await doomed.dataSource.initialize();
    await doomed.close();

    expect(lost).toMatchObject([{ reason: 'unavailable', actions: ['host.late'] }]);
  });

  it('resolves without subscribers', async () => {
    unsubscribe(CHANNEL, note);

    await audit.log('host.bigint', { metadata: { big: 1n } });

    expect(lost).toEqual([]);
  });
});
