import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AuditService } from 'nestjs-sigra';
import { auditActions } from '../support/audit-rows.js';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('AuditService.append', () => {
  let test: TestApp;
  let audit: AuditService;
  const notes = () => test.dataSource.query<{ text: string }[]>('SELECT text FROM notes');

  beforeAll(async () => {
    test = await startTestApp();
    audit = test.get(AuditService);
    await test.dataSource.query('CREATE TABLE notes (text text)');
  });
  beforeEach(() => test.dataSource.query('TRUNCATE notes, sigra_audit_events'));
  afterAll(() => test.close());

  it('commits with its transaction', async () => {
    await test.dataSource.transaction(async (manager) => {
      await manager.query(`INSERT INTO notes VALUES ('kept')`);
      await audit.append(manager, { action: 'note.add', actorId: test.user.id });
    });

    expect(await notes()).toEqual([{ text: 'kept' }]);
    expect(await auditActions(test.dataSource)).toEqual(['note.add']);
  });

  it('is invisible to other connections before the commit', async () => {
    const seen = await test.dataSource.transaction(async (manager) => {
      await audit.append(manager, { action: 'note.add' });
      return auditActions(test.dataSource);
    });

    expect(seen).toEqual([]);
  });

  it('rolls back with its transaction', async () => {
    const transaction = test.dataSource.transaction(async (manager) => {
      await audit.append(manager, { action: 'note.add' });
      await manager.query(`INSERT INTO notes VALUES ('lost')`);
      throw new Error('changed my mind');
    });

    await expect(transaction).rejects.toThrow('changed my mind');
    expect(await auditActions(test.dataSource)).toEqual([]);
  });

  it.each([
    ['JSON cannot represent the metadata', { action: 'note.add', metadata: { big: 1n } }],
    ['a column cannot store a value', { action: 'note.add', targetId: 'a\0b' }],
  ])('fails the transaction with invalid_event when %s', async (_case, event) => {
    const transaction = test.dataSource.transaction(async (manager) => {
      await manager.query(`INSERT INTO notes VALUES ('lost')`);
      await audit.append(manager, event);
    });

    expect(await refusalOf(transaction)).toBe('invalid_event');
    expect(await notes()).toEqual([]);
  });

  it('fails the transaction when a constraint refuses the row', async () => {
    await test.dataSource.query(
      `ALTER TABLE sigra_audit_events ADD CONSTRAINT refused CHECK (action <> 'note.refused') NOT VALID`,
    );
    const transaction = test.dataSource.transaction(async (manager) => {
      await manager.query(`INSERT INTO notes VALUES ('lost')`);
      await audit.append(manager, { action: 'note.refused' });
    });

    await expect(transaction).rejects.toMatchObject({ code: '23514' });
    await test.dataSource.query('ALTER TABLE sigra_audit_events DROP CONSTRAINT refused');
    expect(await notes()).toEqual([]);
  });

  it('rejects reserved and empty actions before it writes', async () => {
    const append = (action: string) =>
      refusalOf(test.dataSource.transaction((manager) => audit.append(manager, { action })));

    expect([await append('api.token_create'), await append('auth.login')]).toEqual([
      'reserved_action',
      'reserved_action',
    ]);
    expect(await append('')).toBe('invalid_event');
  });
});
