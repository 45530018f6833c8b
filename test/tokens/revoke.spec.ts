import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AuditService } from 'nestjs-sigra';
import { auditActions } from '../support/audit-rows.js';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp, type User } from '../support/test-app.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };
/** Ids without a token: absent ones, strings that are not UUIDs, and strings that PostgreSQL cannot store. */
const ABSENT = [
  '01890000-0000-7000-8000-000000000000',
  '',
  'x',
  '0',
  'a\0b',
  "' OR true --",
  undefined,
  null,
  42,
  {},
  ['01890000-0000-7000-8000-000000000000'],
] as string[];

/** Spellings that PostgreSQL itself accepts for the same UUID. */
const respelled = (id: string) => [id.toUpperCase(), `{${id}}`, id.replaceAll('-', ''), ` ${id}`, `${id}\n`];

describe('revocation of one token', () => {
  let test: TestApp;
  let grace: User;

  beforeAll(async () => {
    test = await startTestApp();
    grace = await test.addUser('grace@example.com');
  });
  afterAll(() => test.close());

  it('resolves to the revoked token, which the next verification refuses', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);

    const revoked = await test.tokens.revoke(token.id);

    expect(revoked).toEqual({ ...token, revokedAt: test.clock.now(), revokeReason: 'revoked' });
    expect(await refusalOf(test.tokens.verify(rawToken))).toBe('token_revoked');
  });

  it('changes nothing when it is repeated, and writes a single audit row', async () => {
    const { token } = await test.tokens.create(test.user, REQUEST);

    const first = await test.tokens.revoke(token.id);
    test.clock.advance({ minutes: 5 });
    const second = await test.tokens.revoke(token.id);
    const third = await test.tokens.revokeForUser(test.user, token.id);

    expect([second, third]).toEqual([first, first]);
    expect(await auditActions(test.dataSource, token.id)).toEqual(['api.token_create', 'api.token_revoke']);
  });

  it('revokes an expired token', async () => {
    const expiresAt = new Date(test.clock.now().getTime() + 1000);
    const { token } = await test.tokens.create(test.user, { ...REQUEST, expiresAt });
    test.clock.advance({ hours: 1 });

    const revoked = await test.tokens.revoke(token.id);

    expect(revoked.revokedAt).toEqual(test.clock.now());
  });

  it.each(ABSENT)('rejects with not_found for the id %j', async (id) => {
    expect(await refusalOf(test.tokens.revoke(id))).toBe('not_found');
    expect(await refusalOf(test.tokens.revokeForUser(test.user, id))).toBe('not_found');
    expect(await refusalOf(test.tokens.rotate(id))).toBe('not_found');
    expect(await refusalOf(test.tokens.rotateForUser(test.user, id))).toBe('not_found');
  });

  it('accepts only the canonical spelling of an id', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);

    const refusals = await Promise.all(
      respelled(token.id).flatMap((id) => [refusalOf(test.tokens.revoke(id)), refusalOf(test.tokens.rotate(id))]),
    );

    expect(new Set(refusals)).toEqual(new Set(['not_found']));
    expect(await test.tokens.verify(rawToken)).toEqual(token);
  });

  it('rejects a token of another user exactly like a token that does not exist', async () => {
    const { rawToken, token } = await test.tokens.create(grace, REQUEST);
    const answerTo = async (call: Promise<unknown>) => {
      const error: unknown = await call.catch((reason: unknown) => reason);
      return `${String(error)} ${JSON.stringify(error)}`;
    };

    const foreign = await answerTo(test.tokens.revokeForUser(test.user, token.id));
    const absent = await answerTo(test.tokens.revokeForUser(test.user, ABSENT[0]!));
    const foreignRotation = await answerTo(test.tokens.rotateForUser(test.user, token.id));
    const absentRotation = await answerTo(test.tokens.rotateForUser(test.user, ABSENT[0]!));

    expect(foreign).toContain('"code":"not_found"');
    expect([absent, foreignRotation, absentRotation]).toEqual([foreign, foreign, foreign]);
    expect(await test.tokens.verify(rawToken)).toEqual(token);
    expect(await auditActions(test.dataSource, token.id)).toEqual(['api.token_create']);
  });
});

describe('revocation of all tokens', () => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test.close());

  it('revokes and counts only the active tokens of the user', async () => {
    const [ada, grace] = [await test.addUser('ada@example.com'), await test.addUser('grace@example.com')];
    const soon = new Date(test.clock.now().getTime() + 1000);
    const active = await Promise.all([test.tokens.create(ada, REQUEST), test.tokens.create(ada, REQUEST)]);
    const expired = await test.tokens.create(ada, { ...REQUEST, expiresAt: soon });
    const revoked = await test.tokens.create(ada, REQUEST);
    const foreign = await test.tokens.create(grace, REQUEST);
    await test.tokens.revoke(revoked.token.id);
    test.clock.set(soon);

    const count = await test.tokens.revokeAll(ada);

    expect(count).toBe(2);
    expect(await Promise.all(active.map(({ rawToken }) => refusalOf(test.tokens.verify(rawToken))))).toEqual([
      'token_revoked',
      'token_revoked',
    ]);
    // Another node, whose clock is behind, could take it for valid.
    expect(await refusalOf(test.tokens.verify(expired.rawToken))).toBe('token_revoked');
    expect(await test.tokens.verify(foreign.rawToken)).toEqual(foreign.token);
    expect(await test.tokens.listActive(ada)).toEqual({ tokens: [], nextCursor: null });
    expect(await auditActions(test.dataSource, ada.id)).toEqual(['api.token_revoke_all']);
  });

  it('writes an audit row with the count each time, because each time it also ends what is in flight', async () => {
    const user = await test.addUser('linus@example.com');

    const none = await test.tokens.revokeAll(user);
    await test.tokens.create(user, REQUEST);
    const one = await test.tokens.revokeAll(user.id);
    const again = await test.tokens.revokeAll(user);

    const { events } = await test.get(AuditService).query({ targetId: user.id });
    expect([none, one, again]).toEqual([0, 1, 0]);
    expect(events.map(({ action, metadata }) => [action, metadata.count])).toEqual([
      ['api.token_revoke_all', 0],
      ['api.token_revoke_all', 1],
      ['api.token_revoke_all', 0],
    ]);
  });

  it('does not distinguish a user without tokens from an unknown user', async () => {
    expect(await test.tokens.revokeAll('unknown-user')).toBe(0);
  });
});
