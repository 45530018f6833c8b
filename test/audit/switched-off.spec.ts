import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AuditService } from 'nestjs-sigra';
import { VerifyFailureRecorder } from '../../libs/sigra/src/tokens/verify-failure.recorder.js';
import { auditRows } from '../support/audit-rows.js';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { unknownToken } from '../support/unknown-token.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };

describe('audit: { enabled: false }', () => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp({ sigra: { audit: { enabled: false } } });
  });
  afterAll(() => test.close());

  it('writes no row for any operation', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);
    const rotated = await test.tokens.rotate(token.id);
    await refusalOf(test.tokens.verify(rawToken));
    await refusalOf(test.tokens.verify(unknownToken()));
    await test.tokens.revoke(rotated.token.id);
    await test.tokens.create(test.user, REQUEST);
    await test.tokens.revokeAll(test.user);
    await test.get(AuditService).log('note.add');
    await test.dataSource.transaction((manager) => test.get(AuditService).append(manager, { action: 'note.add' }));
    await test.get(VerifyFailureRecorder).flush();

    expect(await auditRows(test.dataSource)).toEqual([]);
  });

  it('still rejects reserved actions, so that switching it on breaks no caller', async () => {
    expect(await refusalOf(test.get(AuditService).log('api.token_create'))).toBe('reserved_action');
  });

  it('still reads rows that were written before', async () => {
    await test.dataSource.query(
      `INSERT INTO sigra_audit_events (id, action, outcome, actor_type, metadata, occurred_at)
       VALUES (gen_random_uuid(), 'old', 'success', 'system', '{}', now())`,
    );

    expect(await test.get(AuditService).query()).toMatchObject({ events: [{ action: 'old' }] });
  });
});
