import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type AuditLogSafeError, AuditService, type JwtAuditAction, type NewAuditEvent } from 'nestjs-sigra';
import { auditActions, auditRows } from '../support/audit-rows.js';
import { type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { refusalOf } from '../support/refusal.js';

describe('the steps of a refresh that a host records', () => {
  let test: JwtApp;
  let audit: AuditService;

  beforeAll(async () => {
    test = await startJwtApp();
    audit = test.get(AuditService);
  });
  beforeEach(() => test.dataSource.query('TRUNCATE sigra_audit_events'));
  afterAll(() => test.close());

  it('have the user as actor, with outcome success for a refresh and failure for a reuse', async () => {
    await audit.auditJwtRefresh(test.user.id, { metadata: { device: 'phone' } });
    await audit.auditJwtRefreshReuse(test.user.id, { ipAddress: '192.0.2.1' });

    const common = { actor_id: test.user.id, actor_type: 'user' };
    expect(await auditRows(test.dataSource)).toEqual([
      expect.objectContaining({
        ...common,
        action: 'api.jwt_refresh',
        outcome: 'success',
        metadata: { device: 'phone' },
      }),
      expect.objectContaining({
        ...common,
        action: 'api.jwt_refresh_reuse',
        outcome: 'failure',
        ip_address: '192.0.2.1',
      }),
    ]);
  });

  it('resolve when their row is lost, and publish the reason', async () => {
    const lost: AuditLogSafeError[] = [];
    const note = (message: unknown) => lost.push(message as AuditLogSafeError);
    subscribe('sigra:audit:log_safe_error', note);

    try {
      await audit.auditJwtRefresh(test.user.id, { metadata: { big: 1n } });
      await audit.auditJwtRefreshReuse(test.user.id, { metadata: { big: 1n } });
    } finally {
      unsubscribe('sigra:audit:log_safe_error', note);
    }

    expect(lost).toMatchObject([
      { reason: 'invalid_event', actions: ['api.jwt_refresh'] },
      { reason: 'invalid_event', actions: ['api.jwt_refresh_reuse'] },
    ]);
    expect(await auditActions(test.dataSource)).toEqual([]);
  });

  it.each<JwtAuditAction>(['api.jwt_refresh', 'api.jwt_refresh_replay', 'api.jwt_refresh_reuse'])(
    'commit and roll back with the host’s transaction: %s',
    async (action) => {
      await test.dataSource.transaction((manager) => audit.appendJwtAudit(manager, { action, targetId: 'kept' }));
      const undone = test.dataSource.transaction(async (manager) => {
        await audit.appendJwtAudit(manager, { action, targetId: 'undone' });
        throw new Error('changed my mind');
      });

      await expect(undone).rejects.toThrow('changed my mind');
      expect(await auditRows(test.dataSource)).toEqual([expect.objectContaining({ action, target_id: 'kept' })]);
    },
  );

  it.each(['api.token_create', 'api.jwt_issue', 'project.archive'])('reject the action %s', async (action) => {
    const event = { action } as NewAuditEvent & { action: JwtAuditAction };

    const refused = test.dataSource.transaction((manager) => audit.appendJwtAudit(manager, event));

    expect(await refusalOf(refused)).toBe('reserved_action');
    expect(await auditActions(test.dataSource)).toEqual([]);
  });

  it('are recorded twice when a host records them after SigraJwtService.refresh', async () => {
    const { refreshToken } = await test.jwt.generateTokens(test.user, ['read:notes']);

    await test.jwt.refresh(refreshToken);
    const once = await auditActions(test.dataSource);
    await audit.auditJwtRefresh(test.user.id);

    expect(once).toEqual(['api.jwt_issue', 'api.jwt_refresh']);
    expect(await auditActions(test.dataSource)).toEqual([...once, 'api.jwt_refresh']);
  });
});
