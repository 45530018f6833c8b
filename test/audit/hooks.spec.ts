import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ApiTokenService,
  AuditService,
  type CommittedChange,
  CredentialService,
  encodeCursor,
  ownerRef,
  SigraConfigError,
  SigraJwtService,
  type SigraModuleOptions,
} from 'nestjs-sigra';
import { auditActions } from '../support/audit-rows.js';
import { eventually } from '../support/eventually.js';
import { HookCalls } from '../support/hook-calls.js';
import { JWT } from '../support/jwt-app.js';
import { document } from '../support/markdown.js';
import { refusalOf } from '../support/refusal.js';
import { SnippetRunner } from '../support/run-snippet.js';
import { startTestApp, type TestApp, User } from '../support/test-app.js';

const SCOPES = ['read:notes'];

describe('hooks', () => {
  const calls = new HookCalls();
  let test: TestApp;
  let jwt: SigraJwtService;

  beforeAll(async () => {
    test = await startTestApp({ sigra: { hooks: calls.hooks, jwt: { ...JWT, enabled: true } } });
    jwt = test.get(SigraJwtService);
  });
  afterEach(() => {
    calls.take();
  });
  afterAll(() => test.close());

  const create = (name = 'CI') => test.tokens.create(test.user, { name, scopes: SCOPES });

  it('are called for a creation, a rotation and a revocation', async () => {
    const { token } = await create();
    const { token: successor } = await test.tokens.rotate(token.id);
    await test.tokens.revoke(successor.id);
    await test.tokens.revokeAll(test.user);

    expect(calls.take()).toEqual([
      ['onTokenCreated', 'api.token_create', token.id],
      ['onTokenCreated', 'api.token_rotate', token.id],
      ['onTokenRevoked', 'api.token_revoke', successor.id],
      ['onTokenRevoked', 'api.token_revoke_all', test.user.id],
    ]);
  });

  it('are called for a token that a revoked token made', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, {
      name: 'CI',
      scopes: [...SCOPES, 'api_tokens:write'],
    });
    const made = await fetch(`${test.url}/api/tokens`, {
      method: 'POST',
      headers: { authorization: `Bearer ${rawToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'made', scopes: SCOPES }),
    });
    const { token: descendant } = (await made.json()) as { token: { id: string } };
    calls.take();

    await test.tokens.revoke(token.id);

    expect(calls.take()).toEqual([
      ['onTokenRevoked', 'api.token_revoke', token.id],
      ['onTokenRevoked', 'api.token_revoke', descendant.id],
    ]);
  });

  it('are called for a reuse and for a lock-out', async () => {
    const { refreshToken } = await jwt.generateTokens(test.user, SCOPES);
    await jwt.refresh(refreshToken);
    expect(await refusalOf(jwt.refresh(refreshToken))).toBe('reuse_detected');
    await test.get(CredentialService).lockOut(test.user);

    expect(calls.take()).toEqual([
      ['onReuseDetected', 'api.jwt_refresh_reuse', expect.any(String)],
      ['onLockedOut', 'api.lock_out', test.user.id],
    ]);
  });

  it('get the audit row of the change', async () => {
    const { token } = await create('deploy');

    const [[, change]] = calls.all as [(typeof calls.all)[number]];
    const { events } = await test.get(AuditService).query({ targetId: token.id });

    expect(events).toEqual([{ ...change, metadata: { ...change.metadata, expiresAt: null } }]);
    expect(change.metadata).toMatchObject({ userId: test.user.id, name: 'deploy', scopes: SCOPES });
  });

  it('are not called for a change that was refused or rolled back', async () => {
    const { token } = await create();
    await test.tokens.revoke(token.id);
    calls.take();

    await test.tokens.revoke(token.id);
    await refusalOf(test.tokens.rotate(token.id));
    await test.dataSource.query('ALTER TABLE sigra_audit_events ADD CONSTRAINT refused CHECK (false) NOT VALID');
    await expect(create()).rejects.toThrow();
    await test.dataSource.query('ALTER TABLE sigra_audit_events DROP CONSTRAINT refused');

    expect(calls.take()).toEqual([]);
  });
});

describe('a hook', () => {
  const start = (onTokenCreated: (change: CommittedChange) => unknown, more = {}) =>
    startTestApp({ sigra: { hooks: { onTokenCreated }, ...more } });
  const request = { name: 'CI', scopes: SCOPES };

  it('sees the change that it is called for, on another connection', async () => {
    let seen: Promise<readonly unknown[]> | undefined;
    const test = await start(({ targetId }) => {
      seen = test.dataSource.query('SELECT id FROM sigra_api_tokens WHERE id = $1', [targetId]);
    });
    const { token } = await test.tokens.create(test.user, request);
    const rows = await seen;
    await test.close();

    expect(rows).toEqual([{ id: token.id }]);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('mail is down');
      },
    ],
    ['rejects', () => Promise.reject(new Error('mail is down'))],
    ['never ends', () => new Promise(() => undefined)],
  ])('that %s changes no answer', async (_case, hook) => {
    const test = await start(hook);
    const { rawToken } = await test.tokens.create(test.user, request);
    const verified = await test.get(ApiTokenService).verify(rawToken);
    await test.close();

    expect(verified.name).toBe('CI');
  });

  it('is called when audit is switched off', async () => {
    const names: unknown[] = [];
    const test = await start(({ metadata }) => names.push(metadata.name), { audit: { enabled: false } });
    await test.tokens.create(test.user, request);
    const actions = await auditActions(test.dataSource);
    await test.close();

    expect(names).toEqual(['CI']);
    expect(actions).toEqual([]);
  });

  it('is called once for a request that is repeated with its idempotency key', async () => {
    let count = 0;
    const test = await start(() => count++);
    const send = () =>
      fetch(`${test.url}/api/tokens`, {
        method: 'POST',
        headers: {
          'x-session-user': test.user.id,
          'content-type': 'application/json',
          'idempotency-key': '"01890a5d-ac96-774b-bcce-b302099a8057"',
        },
        body: JSON.stringify(request),
      });
    const statuses = [(await send()).status, (await send()).status];
    await eventually(() => count > 0);
    await test.close();

    expect(statuses).toEqual([201, 201]);
    expect(count).toBe(1);
  });

  it('that is not a function refuses to boot', async () => {
    await expect(start('mail' as never)).rejects.toThrow(SigraConfigError);
  });
});

describe('The hooks of docs/events.md', () => {
  it('write to users about tokens that were created and rotated, and about a reuse', async () => {
    const mails: (readonly [userId: unknown, text: string])[] = [];
    const { default: options } = await new SnippetRunner(document('docs/events.md'), {
      'nestjs-sigra': { SigraModule: { forRoot: (given: object) => given } },
    }).run<{ default: SigraModuleOptions }>('onTokenCreated', {
      User,
      sendMail: async (userId: unknown, text: string) => {
        mails.push([userId, text]);
      },
    });
    const robots = { findByIds: (ids: readonly string[]) => Promise.resolve(ids.map((id) => ({ id }))) };
    const test = await startTestApp({
      sigra: { hooks: options.hooks!, jwt: { ...JWT, enabled: true }, owners: { robot: { provider: robots } } },
    });
    const request = { name: 'CI', scopes: SCOPES };

    const { token } = await test.tokens.create(test.user, request);
    await test.tokens.rotate(token.id);
    const ofRobot = await test.tokens.create(ownerRef('robot', test.user.id), request);
    await test.tokens.rotate(ofRobot.token.id);
    const jwt = test.get(SigraJwtService);
    const { refreshToken } = await jwt.generateTokens(test.user, SCOPES);
    await jwt.refresh(refreshToken);
    await refusalOf(jwt.refresh(refreshToken));
    await test.close();

    expect(mails).toEqual([
      [test.user.id, 'A token was created: CI'],
      [test.user.id, 'A token was rotated: CI'],
      [test.user.id, 'A refresh token of yours was used twice'],
    ]);
  });
});

describe('AuditService.stream with a cursor', () => {
  it('continues after the last event that was processed', async () => {
    const test = await startTestApp();
    const audit = test.get(AuditService);
    for (let number = 0; number < 5; number++) await audit.log('note.add', { metadata: { number } });
    const seen: unknown[] = [];
    let cursor: string | undefined;
    for (let run = 0; run < 3; run++) {
      for await (const event of audit.stream({ cursor })) {
        seen.push(event.metadata.number);
        cursor = encodeCursor(event.occurredAt, event.id);
        if (seen.length % 2 === 0) break;
      }
    }
    const refusal = await refusalOf(audit.stream({ cursor: 'wrong' }).next());
    await test.close();

    expect(seen).toEqual([0, 1, 2, 3, 4]);
    expect(refusal).toBe('invalid_cursor');
  });
});
