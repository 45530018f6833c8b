import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { SigraTrace } from 'nestjs-sigra';
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel';
import { inspect } from 'node:util';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { unknownToken } from '../support/unknown-token.js';

const OPERATIONS = ['create', 'verify', 'revoke', 'revoke_all', 'update', 'rotate'] as const;
const EVENTS = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'] as const;
const REQUEST = { name: 'CI', scopes: ['read:notes'] };

interface Seen {
  readonly event: string;
  readonly message: SigraTrace;
}

describe('the tracing channels of API tokens', () => {
  let test: TestApp;
  let leave: () => void = () => undefined;

  /** Records all messages from now on, as they are when they are published. */
  const watch = (onEvent: (event: string) => void = () => undefined): Seen[] => {
    const seen: Seen[] = [];
    const undo = OPERATIONS.flatMap((operation) =>
      EVENTS.map((phase) => {
        const listener = (message: unknown) => {
          seen.push({ event: `${operation}:${phase}`, message: { ...(message as SigraTrace) } });
          onEvent(`${operation}:${phase}`);
        };
        const name = `tracing:sigra:api_token:${operation}:${phase}`;
        subscribe(name, listener);
        return () => unsubscribe(name, listener);
      }),
    );
    leave = () => undo.forEach((each) => each());
    return seen;
  };
  const messageOf = (seen: Seen[], event: string) => seen.find((each) => each.event === event)?.message;

  beforeAll(async () => {
    test = await startTestApp();
  });
  afterEach(() => leave());
  afterAll(() => test.close());

  it('publish start, end, owner and result of an operation', async () => {
    const seen = watch();

    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);
    await test.tokens.verify(rawToken);
    const updated = await test.tokens.update(token.id, { description: 'new' });
    const rotated = await test.tokens.rotate(token.id);
    const revoked = await test.tokens.revoke(rotated.token.id);
    await test.tokens.create(test.user, REQUEST);
    await test.tokens.revokeAll(test.user);

    const success = ['start', 'end', 'asyncStart', 'asyncEnd'];
    expect(seen.map(({ event }) => event)).toEqual(
      ['create', 'verify', 'update', 'rotate', 'revoke', 'create', 'revoke_all'].flatMap((operation) =>
        success.map((phase) => `${operation}:${phase}`),
      ),
    );
    expect(messageOf(seen, 'create:start')).toEqual({ userId: test.user.id, tokenId: token.id });
    expect(messageOf(seen, 'create:asyncEnd')).toEqual({ userId: test.user.id, tokenId: token.id, result: token });
    expect(messageOf(seen, 'verify:start')).toEqual({});
    expect(messageOf(seen, 'verify:asyncEnd')).toEqual({ result: token });
    expect(messageOf(seen, 'update:asyncEnd')).toEqual({ tokenId: token.id, result: updated });
    expect(messageOf(seen, 'rotate:asyncEnd')).toEqual({ tokenId: token.id, result: rotated.token });
    expect(messageOf(seen, 'revoke:asyncEnd')).toEqual({ tokenId: rotated.token.id, result: revoked });
    expect(messageOf(seen, 'revoke_all:asyncEnd')).toEqual({ userId: test.user.id, result: 1 });
  });

  it('publish an error with its code', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);
    await test.tokens.revoke(token.id);
    const seen = watch();

    await refusalOf(test.tokens.verify(rawToken));
    await refusalOf(test.tokens.verify('malformed'));
    await refusalOf(test.tokens.verify(unknownToken()));
    await refusalOf(test.tokens.rotate(token.id));
    await refusalOf(test.tokens.revoke('x'));

    const errors = seen
      .filter(({ event }) => event.endsWith(':error'))
      .map(({ event, message }) => [event, (message.error as { code: string }).code]);
    expect(errors).toEqual([
      ['verify:error', 'token_revoked'],
      ['verify:error', 'invalid_token'],
      ['verify:error', 'invalid_token'],
      ['rotate:error', 'token_revoked'],
      ['revoke:error', 'not_found'],
    ]);
  });

  it('contain no raw token and no hash, at any depth', async () => {
    const seen = watch();

    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);
    await test.tokens.verify(rawToken);
    const rotated = await test.tokens.rotate(token.id);
    await refusalOf(test.tokens.verify(rawToken));
    await refusalOf(test.tokens.verify(`${rawToken}x`));
    await refusalOf(test.tokens.verify(unknownToken()));

    const [{ hashes }] = await test.dataSource.query(
      `SELECT array_agg(encode(token_hash, 'hex')) AS hashes FROM sigra_api_tokens`,
    );
    const all = inspect(seen, { depth: Infinity, showHidden: true, getters: true, maxStringLength: Infinity });
    expect(seen.length).toBeGreaterThan(20);
    expect(all).toContain(token.id);
    for (const secret of [rawToken, rotated.rawToken]) expect(all).not.toContain(secret.slice(13));
    for (const hash of hashes as string[]) expect(all).not.toContain(hash);
    expect(all).not.toMatch(/sigra_sk_[0-9A-Za-z]/);
  });

  it('publish the end after the commit', async () => {
    const found: Promise<number>[] = [];
    const count = async () => {
      const [row] = await test.dataSource.query('SELECT count(*)::int AS n FROM sigra_api_tokens');
      return row.n as number;
    };
    const before = await count();
    watch((event) => {
      if (event === 'create:asyncEnd') found.push(count());
    });

    await test.tokens.create(test.user, REQUEST);

    expect(await Promise.all(found)).toEqual([before + 1]);
  });

  it('publish an error after the rollback', async () => {
    const { token } = await test.tokens.create(test.user, REQUEST);
    await test.dataSource.query(
      `ALTER TABLE sigra_audit_events ADD CONSTRAINT refused CHECK (action <> 'api.token_revoke') NOT VALID`,
    );
    const locked: Promise<unknown>[] = [];
    watch((event) => {
      // NOWAIT fails while the failed transaction still locks the row.
      if (event === 'revoke:error') {
        locked.push(
          test.dataSource.query('SELECT 1 FROM sigra_api_tokens WHERE id = $1 FOR UPDATE NOWAIT', [token.id]),
        );
      }
    });

    await expect(test.tokens.revoke(token.id)).rejects.toMatchObject({ code: '23514' });
    await test.dataSource.query('ALTER TABLE sigra_audit_events DROP CONSTRAINT refused');

    expect(await Promise.all(locked)).toHaveLength(1);
  });

  it('do not let subscribers change the result of the caller', async () => {
    const tracing = tracingChannel<object, SigraTrace>('sigra:api_token:verify');
    const handlers = {
      start: (message: SigraTrace) => void Object.freeze(message),
      asyncEnd: ({ result }: SigraTrace) => void (result as { scopes: string[] } | undefined)?.scopes.push('admin'),
    } as Parameters<typeof tracing.subscribe>[0];
    tracing.subscribe(handlers);
    leave = () => {
      tracing.unsubscribe(handlers);
    };
    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);

    expect(await test.tokens.verify(rawToken)).toEqual(token);
  });

  it('keep an error of a subscriber away from the caller and the process', async () => {
    const logged: string[] = [];
    Logger.overrideLogger({
      log: () => undefined,
      warn: () => undefined,
      error: (text: string) => void logged.push(text),
    });
    watch((event) => {
      throw new Error(`slip in ${event}`);
    });

    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);
    const verified = await test.tokens.verify(rawToken);
    await test.tokens.revoke(token.id);
    const refusal = await refusalOf(test.tokens.verify(rawToken));
    Logger.overrideLogger(false);

    expect([verified, refusal]).toEqual([token, 'token_revoked']);
    expect(logged.length).toBeGreaterThan(15);
    expect(logged[0]).toContain('slip in create:start');
  });
});
