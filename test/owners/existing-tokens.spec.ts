import { afterEach, describe, expect, it } from '@jest/globals';
import { type ApiTokenOptions, type Principal, TokenCleanupService } from 'nestjs-sigra';
import { closeJwtApps, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { refusalOf } from '../support/refusal.js';
import { SIGRA_OPTIONS, type TestApp, type User } from '../support/test-app.js';

const REQUEST = { name: 'CI', scopes: ['*'] };
const RULE = { maxTtl: 3600, enforceOnExisting: true };

/** A node with the database and the clock of another. */
const startWith = (apiTokens: ApiTokenOptions, first?: TestApp): Promise<JwtApp> =>
  startJwtApp(
    {},
    {
      sigra: { apiTokens: { ...SIGRA_OPTIONS.apiTokens, ...apiTokens } },
      ...(first && { databaseUrl: first.databaseUrl, clock: first.clock }),
    },
  );
const principalOf = (user: User, tokenId: string): Principal => ({
  ...{ user, userId: user.id, method: 'api_token', scopes: ['*'], tokenId },
});

afterEach(closeJwtApps);

describe('What a token that enforceOnExisting ends had made before', () => {
  it('ends with it, to any depth, also for other owners', async () => {
    const before = await startWith({});
    const { user, clock } = before;
    const other = await before.addUser('other@example.com');
    const maker = await before.tokens.create(user, REQUEST);
    const end = new Date(clock.now().getTime() + 3_600_000);
    clock.advance({ minutes: 30 });
    const byMaker = { principal: principalOf(user, maker.token.id) };
    const child = await before.tokens.create(other, REQUEST, byMaker);
    const byChild = { principal: principalOf(other, child.token.id) };
    const grandchildren = [
      await before.tokens.create(user, REQUEST, byChild),
      await before.tokens.rotate((await before.tokens.create(other, REQUEST, byChild)).token.id),
    ];
    const pairs = [
      await before.jwt.generateTokens(other, ['*'], byMaker),
      await before.jwt.generateTokens(user, ['*'], byChild),
    ];
    const unrelated = await before.tokens.create(user, REQUEST);
    const strict = await startWith(RULE, before);
    const made = [child, ...grandchildren];

    clock.set(new Date(end.getTime() - 1000));
    const early = await Promise.all(made.map(({ rawToken }) => strict.tokens.verify(rawToken)));
    const refreshed = await Promise.all(pairs.map(({ refreshToken }) => strict.jwt.refresh(refreshToken)));
    clock.set(end);

    expect(early.map(({ expiresAt }) => expiresAt)).toEqual([end, end, end]);
    expect(await refusalOf(strict.tokens.verify(maker.rawToken))).toBe('token_expired');
    expect(await Promise.all(made.map(({ rawToken }) => refusalOf(strict.tokens.verify(rawToken))))).toEqual([
      ...['token_expired', 'token_expired', 'token_expired'],
    ]);
    expect(await Promise.all(refreshed.map(({ refreshToken }) => refusalOf(strict.jwt.refresh(refreshToken))))).toEqual(
      ['token_expired', 'token_expired'],
    );
    expect((await strict.tokens.verify(unrelated.rawToken)).expiresAt).toBeNull();
  });

  it('ends when the application starts, if the token has ended', async () => {
    const before = await startWith({});
    const { user, clock } = before;
    const maker = await before.tokens.create(user, REQUEST);
    const tomorrow = new Date(clock.now().getTime() + 86_400_000);
    const byMaker = { principal: principalOf(user, maker.token.id) };
    const child = await before.tokens.create(user, { ...REQUEST, expiresAt: tomorrow }, byMaker);
    const pair = await before.jwt.generateTokens(user, ['*'], byMaker);

    const strict = await startWith({ requireExpiry: true, enforceOnExisting: true }, before);

    expect(await refusalOf(strict.tokens.verify(child.rawToken))).toBe('token_expired');
    expect(await refusalOf(strict.jwt.refresh(pair.refreshToken))).toBe('token_expired');
  });

  it('ends with the successor of the token, if it was rotated', async () => {
    const before = await startWith({});
    const { user, clock } = before;
    const maker = await before.tokens.create(user, REQUEST);
    clock.advance({ minutes: 40 });
    await before.tokens.rotate(maker.token.id, { graceSeconds: 7200 });
    const end = new Date(clock.now().getTime() + 3_600_000);
    clock.advance({ minutes: 10 });
    const child = await before.tokens.create(user, REQUEST, { principal: principalOf(user, maker.token.id) });

    const strict = await startWith(RULE, before);

    expect((await strict.tokens.verify(child.rawToken)).expiresAt).toEqual(end);
  });

  it('ends with the next clean-up, if a node without the option made it later', async () => {
    const before = await startWith({});
    const { user, clock } = before;
    const maker = await before.tokens.create(user, REQUEST);
    const strict = await startWith(RULE, before);
    const end = new Date(clock.now().getTime() + 3_600_000);
    clock.advance({ minutes: 30 });
    const child = await before.tokens.create(user, REQUEST, { principal: principalOf(user, maker.token.id) });

    await strict.get(TokenCleanupService).cleanupExpiredTokens();
    await strict.get(TokenCleanupService).cleanupExpiredTokens();

    expect((await strict.tokens.verify(child.rawToken)).expiresAt).toEqual(end);
    expect(await strict.dataSource.query('SELECT FROM sigra_sweeps')).toEqual([]);
  });

  it('keeps its end without the option', async () => {
    const before = await startWith({});
    const { user } = before;
    const maker = await before.tokens.create(user, REQUEST);
    const child = await before.tokens.create(user, REQUEST, { principal: principalOf(user, maker.token.id) });

    const lenient = await startWith({ ...RULE, enforceOnExisting: false }, before);
    await lenient.get(TokenCleanupService).cleanupExpiredTokens();

    expect((await lenient.tokens.verify(child.rawToken)).expiresAt).toBeNull();
  });
});
