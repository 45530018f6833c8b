import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { QueryLog } from '../support/query-log.js';
import { ADAPTERS, startTestApp, type TestApp, type User } from '../support/test-app.js';
import { TokenClient } from '../support/token-client.js';

const COUNT = 200;

interface Caller {
  readonly user: User;
  readonly rawToken: string;
  readonly tokenId: string;
  readonly scopes: readonly string[];
}

describe.each(ADAPTERS)(`${COUNT} concurrent callers on %s`, (adapter) => {
  let test: TestApp;
  let callers: Caller[];

  beforeAll(async () => {
    // A slow machine is not an unreachable database.
    test = await startTestApp({ adapter, sigra: { lookupTimeout: 30_000 } });
    callers = await Promise.all(Array.from({ length: COUNT }, (_, index) => newCaller(index)));
  });
  afterAll(() => test.close());

  async function newCaller(index: number): Promise<Caller> {
    const user = await test.addUser(`user-${index}@example.com`);
    const scopes = index % 2 ? ['read:notes'] : ['read:notes', 'write:notes'];
    const { rawToken, token } = await test.tokens.create(user, { name: `of ${index}`, scopes });
    return { user, rawToken, tokenId: token.id, scopes };
  }

  it('that are verified in one turn each get their own token, from two queries in total', async () => {
    const log = QueryLog.of(test.dataSource);

    const verified = await Promise.all(callers.map(({ rawToken }) => test.tokens.verify(rawToken)));

    expect(verified.map(({ id, ownerId, scopes }) => ({ id, ownerId, scopes }))).toEqual(
      callers.map(({ tokenId, user, scopes }) => ({ id: tokenId, ownerId: user.id, scopes })),
    );
    expect(log.matching(/FROM "public"."sigra_api_tokens"/)).toHaveLength(2);
  });

  it('over HTTP each get their own user, token and scopes', async () => {
    const answers = await Promise.all(
      callers.map(async ({ rawToken }) => {
        const response = await fetch(`${test.url}/notes/me`, { headers: { authorization: `Bearer ${rawToken}` } });
        return (await response.json()) as object;
      }),
    );

    expect(answers).toEqual(
      callers.map(({ user, tokenId, scopes }) => ({
        userId: user.id,
        email: user.email,
        method: 'api_token',
        scopes,
        tokenId,
      })),
    );
  });

  it('with valid tokens, invalid tokens, sessions or no credential each get their own answer', async () => {
    const kinds = [
      ({ rawToken }: Caller) => ({ authorization: `Bearer ${rawToken}` }),
      ({ rawToken }: Caller) => ({ authorization: `Bearer ${rawToken}x` }),
      ({ user }: Caller) => ({ 'x-session-user': user.id }),
      () => ({}),
    ];

    const answers = await Promise.all(
      callers.map(async (caller, index) => {
        const headers = kinds[index % kinds.length]!(caller) as Record<string, string>;
        const response = await fetch(`${test.url}/notes/me`, { headers });
        const { email, method } = (await response.json()) as { email?: string; method?: string };
        return { status: response.status, email, method };
      }),
    );

    expect(answers).toEqual(
      callers.map(({ user: { email } }, index) => {
        if (index % 2) return { status: 401 };
        return { status: 200, email, method: index % 4 === 0 ? 'api_token' : 'session' };
      }),
    );
  });

  it('that rotate the same token get only one successor', async () => {
    const page = TokenClient.inSession(test, test.user.id);
    const { token, rawToken } = (await page.create({ name: 'shared', scopes: ['read:notes'] })).body;

    const answers = await Promise.all(Array.from({ length: 20 }, () => page.rotate(token.id)));

    const winners = answers.filter(({ status }) => status === 201);
    expect(winners).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(19);
    await expect(test.tokens.verify(rawToken)).rejects.toMatchObject({ code: 'token_revoked' });
    expect((await test.tokens.verify(winners[0]!.body.rawToken)).name).toBe('shared');
  });
});
