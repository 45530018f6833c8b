import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { IssuedApiToken } from 'nestjs-sigra';
import { startTestApp, type TestApp, type User } from '../support/test-app.js';
import { Load, type Served } from './support/load.js';
import { ServerNode } from './support/server-node.js';

const ROUNDS = 20;
const IN_FLIGHT = 64;

const statuses = (served: readonly Served[]) => [...new Set(served.map(({ status }) => status))];

interface Round {
  readonly user: User;
  readonly issued: IssuedApiToken;
  /** The node that is told; the other one has to know as well. */
  readonly url: string;
}

describe('With 64 requests in flight at two processes that share a database', () => {
  let test: TestApp;
  let nodes: ServerNode[] = [];
  let load: Load;

  beforeAll(async () => {
    test = await startTestApp();
    nodes = await Promise.all([
      ServerNode.start({ adapter: 'express', databaseUrl: test.databaseUrl }),
      ServerNode.start({ adapter: 'fastify', databaseUrl: test.databaseUrl }),
    ]);
    load = new Load(
      nodes.map(({ url }) => url),
      IN_FLIGHT,
    );
  });
  afterAll(async () => {
    load.stop();
    await Promise.all(nodes.map((node) => node.stop()));
    await test.close();
  });

  async function call({ url, user }: Round, method: string, path: string, expected: number): Promise<void> {
    const response = await fetch(url + path, { method, headers: { 'x-session-user': user.id } });
    await response.arrayBuffer();
    expect(response.status).toBe(expected);
  }

  it.each<[string, (round: Round) => Promise<void>]>([
    ['revoke', (round) => call(round, 'DELETE', `/api/tokens/${round.issued.token.id}`, 204)],
    ['revokeAll', (round) => call(round, 'DELETE', '/api/tokens', 200)],
    ['rotate', (round) => call(round, 'POST', `/api/tokens/${round.issued.token.id}/rotate`, 201)],
    [
      'the deactivation of its user',
      async ({ user }) => {
        await test.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [user.id]);
      },
    ],
    [
      'the deletion of its user',
      async ({ user }) => {
        await test.dataSource.query('DELETE FROM users WHERE id = $1', [user.id]);
      },
    ],
  ])(
    'a token is refused by every request that starts after %s has resolved',
    async (_what, end) => {
      for (let round = 0; round < ROUNDS; round++) {
        const user = await test.addUser(`round-${round}@example.com`);
        const issued = await test.tokens.create(user, { name: 'CI', scopes: ['read:notes'] });
        const { url } = nodes[round % nodes.length]!;

        const { served, began, ended } = await load.endUnder(issued.rawToken, () => end({ user, issued, url }));

        const answered = served.filter(({ end: time }) => time < began);
        const after = served.filter(({ start }) => start > ended);
        expect(answered.length).toBeGreaterThanOrEqual(2 * IN_FLIGHT);
        expect(statuses(answered)).toEqual([200]);
        expect(statuses(after)).toEqual([401]);
        expect(new Set(after.map(({ node }) => node)).size).toBe(2);
        expect([200, 401]).toEqual(expect.arrayContaining(statuses(served)));
      }
    },
    180_000,
  );
});
