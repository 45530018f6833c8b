import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AuditService } from 'nestjs-sigra';
import { assertAuditEvent, bearer, createApiToken, revokedApiToken } from 'nestjs-sigra/testing';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { failureOf } from '../support/refusal.js';

describe('assertAuditEvent', () => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test.close());

  it('finds an event by all of its properties', async () => {
    const { token } = await revokedApiToken(test.app, test.user, { name: 'CI' });

    const event = await assertAuditEvent(test.app, {
      action: 'api.token_revoke',
      outcome: 'success',
      actorId: null,
      actorType: 'system',
      targetId: token.id,
      targetType: 'api_token',
      metadata: { name: 'CI' },
    });

    expect(event).toMatchObject({ targetId: token.id, metadata: { name: 'CI', userId: test.user.id } });
  });

  it('compares metadata as it is stored: whole arrays, and dates as ISO strings', async () => {
    const expiresAt = new Date(test.clock.now().getTime() + 60_000);
    const { token } = await createApiToken(test.app, test.user, { scopes: ['read:notes', 'admin'], expiresAt });
    const action = 'api.token_create';

    await assertAuditEvent(test.app, {
      action,
      targetId: token.id,
      metadata: { scopes: ['read:notes', 'admin'], expiresAt },
    });
    await failureOf(assertAuditEvent(test.app, { action, targetId: token.id, metadata: { scopes: ['admin'] } }));
  });

  it('finds the refusal of a request that was answered a moment ago', async () => {
    const { rawToken, token } = await revokedApiToken(test.app, test.user);
    await fetch(`${test.url}/notes`, { headers: { ...bearer(rawToken), 'user-agent': 'curl/8' } });

    const event = await assertAuditEvent(test.app, {
      action: 'api.token_verify.failure',
      targetId: token.id,
      userAgent: 'curl/8',
      ipAddress: '127.0.0.1',
    });

    expect(event).toMatchObject({ outcome: 'failure', metadata: { reason: 'token_revoked' } });
  });

  it('returns the latest of several matching events', async () => {
    const audit = test.get(AuditService);
    for (let count = 1; count <= 3; count++) await audit.log('note.read', { metadata: { count, kind: 'draft' } });

    const event = await assertAuditEvent(test.app, { action: 'note.read', metadata: { kind: 'draft' } });

    expect(event.metadata.count).toBe(3);
  });

  it.each([
    { action: 'api.token_revoke_all' },
    { action: 'note.share', targetId: 'other' },
    { action: 'note.share', actorId: null },
    { action: 'note.share', outcome: 'failure' as const },
    { action: 'note.share', metadata: { with: 'nobody' } },
    { action: 'note.share', metadata: { with: 'grace', at: 'noon' } },
  ])('fails if no event matches %j, and shows the recorded events', async (expected) => {
    await test.get(AuditService).log('note.share', { actorId: 'ada', targetId: 'n1', metadata: { with: 'grace' } });

    const failure = await failureOf(assertAuditEvent(test.app, expected));

    expect(failure.message).toContain(`No audit event matches ${JSON.stringify(expected)}.`);
    expect(failure.message).toContain(
      '- note.share success {"actorType":"user","actorId":"ada","targetId":"n1","metadata":{"with":"grace"}}',
    );
    expect(failure.expected).toEqual(expected);
  });

  it('shows only the 20 latest events, and states that there are older ones', async () => {
    const audit = test.get(AuditService);
    for (let count = 0; count < 21; count++) await audit.log('note.list');

    const failure = await failureOf(assertAuditEvent(test.app, { action: 'note.absent' }));

    expect(failure.message.match(/^- note\.list/gm)).toHaveLength(20);
    expect(failure.message).toMatch(/- and older events$/);
  });
});

describe('assertAuditEvent without an audit trail', () => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp({ sigra: { audit: { enabled: false } } });
  });
  afterAll(() => test.close());

  it('fails, and asks whether audit.enabled is false', async () => {
    await createApiToken(test.app, test.user);

    const failure = await failureOf(assertAuditEvent(test.app, { action: 'api.token_create' }));

    expect(failure.message).toContain('No audit events are recorded. Is audit.enabled false?');
  });
});
