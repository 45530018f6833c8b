import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type ApiToken, decodeCursor, encodeCursor } from 'nestjs-sigra';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp, type User } from '../support/test-app.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };

describe('ApiTokenService.listActive', () => {
  let test: TestApp;
  let user: User;
  const create = () => test.tokens.create(user, REQUEST);

  /** Tokens in groups with equal creation times. */
  const createGroups = async (...sizes: number[]): Promise<ApiToken[]> => {
    const tokens: ApiToken[] = [];
    for (const size of sizes) {
      test.clock.advance({ milliseconds: 1 });
      for (let each = 0; each < size; each++) tokens.push((await create()).token);
    }
    return tokens;
  };

  /** Reads all pages in order, and calls a function between them. */
  const readAll = async (limit: number, between: (page: number) => Promise<void> = () => Promise.resolve()) => {
    const pages: (readonly ApiToken[])[] = [];
    let cursor: string | null | undefined;
    while (cursor !== null) {
      const page = await test.tokens.listActive(user, { limit, cursor });
      pages.push(page.tokens);
      cursor = page.nextCursor;
      await between(pages.length);
    }
    return pages;
  };

  beforeAll(async () => {
    test = await startTestApp();
  });
  beforeEach(async () => {
    user = await test.addUser('ada@example.com');
  });
  afterAll(() => test.close());

  it('lists nothing for a user without tokens', async () => {
    expect(await test.tokens.listActive(user)).toEqual({ tokens: [], nextCursor: null });
  });

  it('lists the active tokens of the user, oldest first', async () => {
    const expiresAt = new Date(test.clock.now().getTime() + 1000);
    const [first, revoked, second] = await createGroups(1, 1, 1);
    const { token: expired } = await test.tokens.create(user, { ...REQUEST, expiresAt });
    await test.tokens.create(test.user, REQUEST);
    await test.tokens.revoke(revoked!.id);

    const before = await test.tokens.listActive(user);
    test.clock.set(expiresAt);
    const after = await test.tokens.listActive(user.id);

    expect(before.tokens).toEqual([first, second, expired]);
    expect(after.tokens).toEqual([first, second]);
  });

  it.each([1, 2, 3, 4, 5, 7, 8, 9, 200])(
    'neither skips nor repeats tokens with equal creation times, in pages of %i',
    async (limit) => {
      const tokens = await createGroups(1, 3, 1, 3);

      const pages = await readAll(limit);

      expect(pages.flat()).toEqual(tokens);
      expect(pages.slice(0, -1).every((page) => page.length === limit)).toBe(true);
      expect(pages).toHaveLength(Math.ceil(tokens.length / limit));
    },
  );

  it.each([1, 2, 3, 8, 200])('lists the newest tokens first on request, in pages of %i', async (limit) => {
    const tokens = await createGroups(1, 3, 1, 3);

    const listed: ApiToken[] = [];
    let cursor: string | null | undefined;
    while (cursor !== null) {
      const page = await test.tokens.listActive(user, { limit, cursor, order: 'newest' });
      listed.push(...page.tokens);
      cursor = page.nextCursor;
    }

    expect(listed).toEqual(tokens.toReversed());
  });

  it.each(['', 'latest', 1, {}, []])('rejects with invalid_filter for the order %j', async (order) => {
    expect(await refusalOf(test.tokens.listActive(user, { order: order as 'newest' }))).toBe('invalid_filter');
  });

  it('lists every token that stays active once, while others are created and revoked between the pages', async () => {
    const tokens = await createGroups(4, 4, 4, 4);
    const doomed = tokens.filter((_, place) => place % 3 === 1);
    const lasting = tokens.filter((token) => !doomed.includes(token));

    const pages = await readAll(3, async (page) => {
      const [next] = doomed.splice(page % doomed.length, 1);
      if (next) await test.tokens.revoke(next.id);
      if (page < 10) await createGroups(2);
    });

    const listed = pages.flat().map(({ id }) => id);
    expect(new Set(listed).size).toBe(listed.length);
    expect(listed.filter((id) => lasting.some((token) => token.id === id))).toEqual(lasting.map(({ id }) => id));
  });

  it('continues after a token that was revoked after its page was read', async () => {
    const [first, second] = await createGroups(1, 1);

    const { nextCursor } = await test.tokens.listActive(user, { limit: 1 });
    await test.tokens.revoke(first!.id);

    expect(await test.tokens.listActive(user, { limit: 1, cursor: nextCursor! })).toEqual({
      tokens: [second],
      nextCursor: null,
    });
  });

  it('returns cursors that encode the last token of a page', async () => {
    const [first] = await createGroups(2);

    const { nextCursor } = await test.tokens.listActive(user, { limit: 1 });

    expect(nextCursor).toBe(encodeCursor(first!.createdAt, first!.id));
    expect(decodeCursor(nextCursor!)).toEqual({ createdAt: first!.createdAt, id: first!.id });
  });

  it('returns no token of another user for the cursor of that user', async () => {
    await createGroups(2);
    const { nextCursor } = await test.tokens.listActive(user, { limit: 1 });
    const other = await test.addUser('grace@example.com');

    expect(await test.tokens.listActive(other, { cursor: nextCursor! })).toEqual({ tokens: [], nextCursor: null });
  });

  it('returns 50 tokens per page by default, and up to 200 on request', async () => {
    await Promise.all(Array.from({ length: 201 }, create));

    const usual = await test.tokens.listActive(user);
    const largest = await test.tokens.listActive(user, { limit: 200 });

    expect(usual.tokens).toHaveLength(50);
    expect(largest.tokens).toHaveLength(200);
    expect(largest.nextCursor).not.toBeNull();
  });

  it.each([0, -1, 201, 1.5, Number.NaN, Infinity, '10', null, {}, []])(
    'rejects with invalid_limit for %p',
    async (limit) => {
      expect(await refusalOf(test.tokens.listActive(user, { limit: limit as number }))).toBe('invalid_limit');
    },
  );

  it('uses the page sizes of the configuration', async () => {
    const small = await startTestApp({ sigra: { apiTokens: { scopes: ['read:notes'], maxPageSize: 2 } } });
    const odd = await startTestApp({
      sigra: { apiTokens: { scopes: ['read:notes'], defaultPageSize: 1, maxPageSize: 3 } },
    });
    for (const app of [small, odd]) {
      for (let each = 0; each < 4; each++) await app.tokens.create(app.user, REQUEST);
    }

    const sizes = await Promise.all([
      small.tokens.listActive(small.user),
      odd.tokens.listActive(odd.user),
      odd.tokens.listActive(odd.user, { limit: 3 }),
    ]);
    const refusal = await refusalOf(small.tokens.listActive(small.user, { limit: 3 }));
    await small.close();
    await odd.close();

    expect(sizes.map(({ tokens }) => tokens.length)).toEqual([2, 1, 3]);
    expect(refusal).toBe('invalid_limit');
  });
});
