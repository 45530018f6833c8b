import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { QueryFailedError } from 'typeorm';
import { auditActions } from '../support/audit-rows.js';
import { QueryLog } from '../support/query-log.js';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp, type User } from '../support/test-app.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };

describe('a change whose audit row the database refuses', () => {
  let test: TestApp;
  let user: User;
  const refuse = (action: string) =>
    test.dataSource.query(
      `ALTER TABLE sigra_audit_events ADD CONSTRAINT refused CHECK (action <> '${action}') NOT VALID`,
    );
  const stateOfTokens = () =>
    test.dataSource.query('SELECT * FROM sigra_api_tokens WHERE owner_id = $1 ORDER BY id', [user.id]);

  beforeAll(async () => {
    test = await startTestApp();
  });
  beforeEach(async () => {
    user = await test.addUser('ada@example.com');
  });
  afterEach(() => test.dataSource.query('ALTER TABLE sigra_audit_events DROP CONSTRAINT IF EXISTS refused'));
  afterAll(() => test.close());

  it('is rolled back: create', async () => {
    await refuse('api.token_create');

    await expect(test.tokens.create(user, REQUEST)).rejects.toThrow(QueryFailedError);

    expect(await stateOfTokens()).toEqual([]);
  });

  it('is rolled back: revoke', async () => {
    const { rawToken, token } = await test.tokens.create(user, REQUEST);
    await refuse('api.token_revoke');

    await expect(test.tokens.revoke(token.id)).rejects.toThrow(QueryFailedError);

    expect(await test.tokens.verify(rawToken)).toEqual(token);
    expect(await auditActions(test.dataSource, token.id)).toEqual(['api.token_create']);
  });

  it('is rolled back: revokeAll', async () => {
    const issued = await Promise.all([test.tokens.create(user, REQUEST), test.tokens.create(user, REQUEST)]);
    await refuse('api.token_revoke_all');

    await expect(test.tokens.revokeAll(user)).rejects.toThrow(QueryFailedError);

    expect(await Promise.all(issued.map(({ rawToken }) => test.tokens.verify(rawToken)))).toEqual(
      issued.map(({ token }) => token),
    );
  });

  it.each([0, 60])('is rolled back: rotate with a grace of %i s', async (graceSeconds) => {
    const { rawToken, token } = await test.tokens.create(user, REQUEST);
    const before = await stateOfTokens();
    await refuse('api.token_rotate');

    await expect(test.tokens.rotate(token.id, { graceSeconds })).rejects.toThrow(QueryFailedError);

    expect(await stateOfTokens()).toEqual(before);
    expect(await test.tokens.verify(rawToken)).toEqual(token);
  });

  it('is rolled back: update', async () => {
    const { rawToken, token } = await test.tokens.create(user, REQUEST);
    await refuse('api.token_update');

    await expect(test.tokens.update(token.id, { name: 'other' })).rejects.toThrow(QueryFailedError);

    expect(await test.tokens.verify(rawToken)).toEqual(token);
  });

  it('succeeds when it is retried', async () => {
    const { rawToken, token } = await test.tokens.create(user, REQUEST);
    await refuse('api.token_revoke');
    await expect(test.tokens.revoke(token.id)).rejects.toThrow(QueryFailedError);

    await test.dataSource.query('ALTER TABLE sigra_audit_events DROP CONSTRAINT refused');
    await test.tokens.revoke(token.id);

    expect(await refusalOf(test.tokens.verify(rawToken))).toBe('token_revoked');
    expect(await auditActions(test.dataSource, token.id)).toEqual(['api.token_create', 'api.token_revoke']);
  });

  it('reveals no secret in its error', async () => {
    const { rawToken, token } = await test.tokens.create(user, REQUEST);
    await refuse('api.token_rotate');

    const error: unknown = await test.tokens.rotate(token.id).catch((reason: unknown) => reason);

    expect(JSON.stringify(error)).not.toContain(rawToken);
    expect(JSON.stringify(error)).not.toMatch(/sigra_sk_[0-9A-Za-z]/);
  });
});

describe('a change and its audit row', () => {
  it('are sent between one BEGIN and one COMMIT', async () => {
    const test = await startTestApp();
    const { token } = await test.tokens.create(test.user, REQUEST);
    const log = QueryLog.of(test.dataSource);

    await test.tokens.create(test.user, REQUEST);
    await test.tokens.update(token.id, { name: 'other' });
    await test.tokens.rotate(token.id, { graceSeconds: 60 });
    await test.tokens.revoke(token.id);
    await test.tokens.revokeAll(test.user);
    await test.close();

    const verbs = log.queries.map(({ sql }) => sql.trim().split(/\s/)[0]);
    expect(verbs).toEqual([
      // Before the transaction, the owner's epochs.
      'SELECT',
      // The owner is locked, and its active tokens are counted.
      ...['START', 'SELECT', 'SELECT', 'INSERT', 'INSERT', 'COMMIT'],
      // The token is read, its owner and then itself locked.
      ...['START', 'SELECT', 'SELECT', 'SELECT', 'UPDATE', 'INSERT', 'COMMIT'],
      // The token is read, its owner and then itself locked, the active tokens are counted, and its makers are those of the
      // successor.
      ...['START', 'SELECT', 'SELECT', 'SELECT', 'SELECT', 'SELECT', 'INSERT', 'UPDATE', 'INSERT', 'COMMIT'],
      // The token is read, its owner and then itself locked. Its descendants belong to its successor.
      ...['START', 'SELECT', 'SELECT', 'SELECT', 'UPDATE', 'INSERT', 'COMMIT'],
      // The epoch moves on, a sweep is requested, and families that tokens made are revoked, and then what they made for other
      // owners.
      ...['START', 'INSERT', 'SELECT', 'INSERT', 'UPDATE', 'UPDATE', 'UPDATE', 'INSERT', 'COMMIT'],
      // The sweep marks the rows, and what they made, and looks for more of both.
      ...['START', 'SELECT', 'WITH', 'UPDATE', 'UPDATE', 'SELECT', 'SELECT', 'DELETE', 'COMMIT'],
      ...['START', 'SELECT', 'COMMIT'],
    ]);
  });
});
