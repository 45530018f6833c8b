import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { onDatabase } from '../support/database.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { eventually } from '../support/eventually.js';
import { line } from '../support/fault-record.js';
import { closeJwtApps, familyIdOf, JWT, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { rounds } from '../support/rounds.js';
import { SeededRandom, seedOfRun } from '../support/seeded-random.js';
import { ServerNode, type ServerNodeSetup } from '../support/server-node.js';
import { ADAPTERS } from '../support/test-app.js';

/** Of each fault. `SIGRA_ROUNDS=125` makes 500. */
const ROUNDS = rounds(3);
const CLIENTS = 8;
const LEEWAY = 60;
/** Until a fault strikes: eight refreshes at once take about so long. */
const LONGEST_MS = 40;

/** A signed-in client that repeats a refresh with the same token until it gets an answer, at whichever node there is. */
class RefreshingClient {
  isSignedOut = false;
  /** Requests without an answer, or with 503. */
  lost = 0;

  constructor(
    readonly familyId: string,
    private refreshToken: string,
  ) {}

  /** @param cutsAfter closes the connection of the first request after this time, in milliseconds */
  async refresh(urls: () => readonly string[], cutsAfter?: number): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const all = urls();
      const url = all[attempt % all.length];
      const signal = attempt === 0 && cutsAfter !== undefined ? AbortSignal.timeout(cutsAfter) : null;
      const status = url === undefined ? 0 : await this.attempt(url, signal);
      if (status === 200) return;
      if (status !== 0 && status !== 503) {
        this.isSignedOut = true;
        return;
      }
      this.lost++;
      await delay(20);
    }
  }

  private async attempt(url: string, signal: AbortSignal | null): Promise<number> {
    try {
      const response = await fetch(`${url}/oauth/token`, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: this.refreshToken }),
        signal,
      });
      const body = (await response.json()) as { readonly refresh_token: string };
      if (response.status === 200) this.refreshToken = body.refresh_token;
      return response.status;
    } catch {
      return 0;
    }
  }
}

describe('Clients that lose answers to refreshes, with a leeway', () => {
  const random = new SeededRandom(seedOfRun());
  let test: JwtApp;
  let proxy: DatabaseProxy;
  let setups: ServerNodeSetup[];
  let nodes: ServerNode[];
  let clients: RefreshingClient[];

  beforeAll(async () => {
    test = await startJwtApp({ reuseLeeway: LEEWAY });
    // The nodes have the system's clock.
    test.clock.set(new Date());
    proxy = await DatabaseProxy.start(test.databaseUrl);
    const jwt = { ...JWT, reuseLeeway: LEEWAY };
    setups = ADAPTERS.map((adapter) => ({ adapter, databaseUrl: proxy.url, jwt }));
    nodes = await Promise.all(setups.map((setup) => ServerNode.start(setup)));
    clients = await Promise.all(
      Array.from({ length: CLIENTS }, async () => {
        const pair = await test.jwt.generateTokens(test.user, ['read:notes']);
        return new RefreshingClient(familyIdOf(pair), pair.refreshToken);
      }),
    );
  }, 60_000);
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    await proxy.stop();
    await closeJwtApps();
  });

  const urlsOfNodes = () => nodes.map(({ url }) => url);
  const refreshAll = (urls = urlsOfNodes, cutsAfter?: () => number) =>
    Promise.all(clients.map((client) => client.refresh(urls, cutsAfter?.())));
  const countLost = () => clients.reduce((total, { lost }) => total + lost, 0);
  const afterSomeAreLost = async () => {
    const before = countLost();
    await eventually(() => countLost() > before);
    await delay(random.below(5 * LONGEST_MS));
  };

  const faults: Readonly<Record<string, (round: number) => Promise<unknown>>> = {
    'their node is killed': async (round) => {
      const index = round % nodes.length;
      const [victim] = nodes.splice(index, 1);
      const urls = [victim!.url];
      // So that it answers as fast as it can.
      await refreshAll(() => urls);
      const refreshing = refreshAll(() => urls);
      await delay(random.below(LONGEST_MS));
      await victim!.kill();
      urls.splice(0, 1, ...urlsOfNodes());
      await refreshing;
      nodes.splice(index, 0, await ServerNode.start(setups[index]!));
    },
    'their connections are cut': () => refreshAll(urlsOfNodes, () => 1 + random.below(LONGEST_MS)),
    'a proxy swallows the answers of the application': async (round) => {
      const behind = await DatabaseProxy.start(nodes[round % nodes.length]!.url);
      behind.loseAnswerTo('POST /oauth/token', true);
      const refreshing = refreshAll(() => [new URL(behind.url).origin]);
      await afterSomeAreLost();
      behind.speak();
      await refreshing;
      await behind.stop();
    },
    'the answers of the database to rotations are lost': async () => {
      // The statement that rotates commits itself, and has the action of its audit row as a value.
      proxy.loseAnswerTo('api.jwt_refresh', true);
      const refreshing = refreshAll();
      await afterSomeAreLost();
      proxy.speak();
      await refreshing;
    },
  };

  it.each(Object.entries(faults))(
    'are not signed out when %s',
    async (name, fault) => {
      const lostBefore = countLost();

      for (let round = 0; round < ROUNDS; round++) await fault(round);

      const lost = countLost() - lostBefore;
      const families = await onDatabase(test.databaseUrl, async (client) => {
        const { rows } = await client.query<{ readonly live: number; readonly revoked: boolean }>(
          `SELECT f.revoked_at IS NOT NULL AS revoked,
                  (SELECT count(*)::int FROM sigra_refresh_tokens t WHERE t.family_id = f.id AND t.consumed_at IS NULL) AS live
             FROM sigra_refresh_families f WHERE f.id = ANY($1)`,
          [clients.map(({ familyId }) => familyId)],
        );
        return rows;
      });
      line([`leeway of ${LEEWAY} s`, name, ROUNDS, `${clients.length} clients`, `${lost} answers lost`]);
      expect(lost).toBeGreaterThan(0);
      expect(clients.filter(({ isSignedOut }) => isSignedOut)).toEqual([]);
      expect(families).toEqual(clients.map(() => ({ live: 1, revoked: false })));
    },
    60_000 + ROUNDS * 30_000,
  );

  it('got tokens of the same generation again, so answers were lost after the commit', async () => {
    const replays = await onDatabase(test.databaseUrl, async (client) => {
      const { rows } = await client.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM sigra_audit_events WHERE action = 'api.jwt_refresh_replay'`,
      );
      return rows[0]!.count;
    });

    expect(replays).toBeGreaterThan(0);
  });
});
