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

  it('commits with the transaction that it is part of', async () => {
    await test.dataSource.transaction(async (manager) => {
      await manager.query(`INSERT INTO notes VALUES ('kept')`);
      await audit.append(manager, { action: 'note.add', actorId: test.user.id });
    });

    expect(await notes()).toEqual([{ text: 'kept' }]);
    expect(await auditActions(test.dataSource)).toEqual(['note.add']);
  });

  it('is not seen by others before that', async () => {
    const seen = await test.dataSource.transaction(async (manager) => {
      await audit.append(manager, { action: 'note.add' });
      return auditActions(test.dataSource);
    });

    expect(seen).toEqual([]);
  });

  it('goes when the transaction is rolled back', async () => {
    const transaction = test.dataSource.transaction(async (manager) => {
      await audit.append(manager, { action: 'note.add' });
      await manager.query(`INSERT INTO notes VALUES ('lost')`);
      throw new Error('changed my mind');
    });

    await expect(transaction).rejects.toThrow('changed my mind');
    expect(await auditActions(test.dataSource)).toEqual([]);
  });

  it.each([
    ['JSON cannot say its metadata', { action: 'note.add', metadata: { big: 1n } }],
    ['a column cannot hold it', { action: 'note.add', targetId: 'a\0b' }],
  ])('takes the transaction along when %s, with invalid_event', async (_case, event) => {
    const transaction = test.dataSource.transaction(async (manager) => {
      await manager.query(`INSERT INTO notes VALUES ('lost')`);
      await audit.append(manager, event);
    });

    expect(await refusalOf(transaction)).toBe('invalid_event');
    expect(await notes()).toEqual([]);
  });

  it('takes the transaction along when a constraint refuses the row', async () => {
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

  it('refuses reserved and empty actions before it writes anything', async () => {
    const append = (action: string) =>
      refusalOf(test.dataSource.transaction((manager) => audit.append(manager, { action })));

    expect([await append('api.token_create'), await append('auth.login')]).toEqual([
      'reserved_action',
      'reserved_action',
    ]);
    expect(await append('')).toBe('invalid_event');
  });
});
