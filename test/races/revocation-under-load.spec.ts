import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { IssuedApiToken, TokenPair } from 'nestjs-sigra';
import { familyIdOf, JWT, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import type { User } from '../support/test-app.js';
import { Load, type Served } from '../support/load.js';
import { rounds } from '../support/rounds.js';
import { ServerNode } from '../support/server-node.js';

const ROUNDS = rounds(5);
const IN_FLIGHT = 64;
/** `family` checks the epoch too. The clock that issues the tokens stands still, and the nodes' clocks do not. */
const CHECKED = { ...JWT, check: 'family', accessTtl: 3600 } as const;

const statuses = (served: readonly Served[]) => [...new Set(served.map(({ status }) => status))];

interface Round {
  readonly user: User;
  readonly issued: IssuedApiToken;
  readonly pair: TokenPair;
  /** The node that receives the revocation; the other one must enforce it too. */
  readonly url: string;
}

describe('With 64 requests in flight at two processes that share a database', () => {
  let test: JwtApp;
  let nodes: ServerNode[] = [];
  let load: Load;

  beforeAll(async () => {
    test = await startJwtApp(CHECKED);
    nodes = await Promise.all([
      ServerNode.start({ adapter: 'express', databaseUrl: test.databaseUrl, jwt: CHECKED }),
      ServerNode.start({ adapter: 'fastify', databaseUrl: test.databaseUrl, jwt: CHECKED }),
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
  const deactivate = async ({ user }: Round) => {
    await test.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [user.id]);
  };
  const remove = async ({ user }: Round) => {
    await test.dataSource.query('DELETE FROM users WHERE id = $1', [user.id]);
  };

  const apiToken = ({ issued }: Round) => ({ authorization: `Bearer ${issued.rawToken}` });
  const jwt = ({ pair }: Round) => ({ authorization: `Bearer ${pair.accessToken}` });
  const session = ({ user }: Round) => ({ 'x-session-user': user.id });

  it.each<[string, string, (round: Round) => Readonly<Record<string, string>>, (round: Round) => Promise<void>]>([
    ['an API token', 'revoke', apiToken, (round) => call(round, 'DELETE', `/api/tokens/${round.issued.token.id}`, 204)],
    ['an API token', 'revokeAll', apiToken, (round) => call(round, 'DELETE', '/api/tokens', 200)],
    [
      'an API token',
      'rotate',
      apiToken,
      (round) => call(round, 'POST', `/api/tokens/${round.issued.token.id}/rotate`, 201),
    ],
    ['an API token', 'the deactivation of its user', apiToken, deactivate],
    ['an API token', 'the deletion of its user', apiToken, remove],
    ['a JWT', 'signOutEverywhere', jwt, ({ user }) => test.jwt.signOutEverywhere(user)],
    ['a JWT', 'revokeFamily', jwt, ({ user, pair }) => test.jwt.revokeFamily(user, familyIdOf(pair))],
    ['a JWT', 'revokeRefresh', jwt, ({ pair }) => test.jwt.revokeRefresh(pair.refreshToken)],
    ['a JWT', 'the deactivation of its user', jwt, deactivate],
    ['a session', 'the deactivation of its user', session, deactivate],
    ['a session', 'the deletion of its user', session, remove],
  ])(
    '%s is refused in every request that starts after %s resolves',
    async (_what, _end, credentialOf, end) => {
      for (let index = 0; index < ROUNDS; index++) {
        const user = await test.addUser(`round-${index}@example.com`);
        const issued = await test.tokens.create(user, { name: 'CI', scopes: ['read:notes'] });
        const pair = await test.jwt.generateTokens(user, ['read:notes']);
        const round = { user, issued, pair, url: nodes[index % nodes.length]!.url };

        const { served, began, ended } = await load.endUnder(credentialOf(round), () => end(round));

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
