import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { TestDatabase } from '../support/database.js';
import { onDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { counts, held, line } from '../support/fault-record.js';
import { ROUNDS } from '../support/fault-scene.js';
import { HonestClient } from '../support/honest-client.js';
import { HostileConnection, type OddAnswer } from '../support/hostile-connection.js';
import { type GoodCredentials, type HostileInput, hostileInputs } from '../support/hostile-input.js';
import { JWT } from '../support/jwt-app.js';
import { createMigratedDatabase, USERS } from '../support/migrated-database.js';
import { seedOfRun } from '../support/seeded-random.js';
import { ServerNode } from '../support/server-node.js';
import { ADAPTERS } from '../support/test-app.js';

/** For each adapter: 2,000 in the default run, and with `SIGRA_ROUNDS=10` half a million. */
const INPUTS = ROUNDS === 1 ? 2000 : ROUNDS * 50_000;
const BATCH = 1000;
const CONNECTIONS = 32;
/** In milliseconds of processor time. */
const STALL_MS = 250;
const TURNS_EVERY = 10;
const POOL = 10;
const MOST_OFFENCES = 10;
/** Heap that a process can have more after the run than after its first batches: 20,000 tokens with refusals are noted. */
const HEAP_BYTES = 32e6;

interface Found {
  readonly problem: string;
  readonly index: number;
}

describe.each(ADAPTERS)('Hostile bytes to a process with %s', (adapter) => {
  const seed = seedOfRun();
  const connections: HostileConnection[] = [];
  let database: TestDatabase;
  let node: ServerNode;
  let honest: HonestClient;
  let good: GoodCredentials;
  let inputs: fc.Arbitrary<HostileInput>;

  beforeAll(async () => {
    database = await createMigratedDatabase(USERS);
    const ids = Array.from({ length: 3 }, () => randomUUID());
    await onDatabase(database.url, (client) =>
      client.query('INSERT INTO users (id, email) SELECT id, id::text FROM unnest($1::uuid[]) AS id', [ids]),
    );
    const jwt = { ...JWT, accessTtl: 86_400 };
    node = await ServerNode.start({ adapter, databaseUrl: database.url, poolSize: POOL, jwt });
    good = await issueTo(node.url, ids[0]!, ids[1]!);
    honest = await HonestClient.start({ url: node.url, rawToken: (await createToken(node.url, ids[2]!)).rawToken });
    connections.push(...Array.from({ length: CONNECTIONS }, () => new HostileConnection(node.url)));
    inputs = hostileInputs(good);
  }, 60_000);
  afterAll(async () => {
    for (const connection of connections) connection.close();
    await honest.stop();
    await node.stop();
    await database.drop();
  });

  const closeAll = () => connections.forEach((connection) => connection.close());
  const batchOf = (number: number) => ({ seed: (seed + number) >>> 0, numRuns: BATCH });
  const statuses: Record<string, number> = {};

  async function send(connection: HostileConnection, input: HostileInput): Promise<string | undefined> {
    const answers =
      input.raw === undefined
        ? [await (input.withClient ? connection.sendWithClient(input) : connection.send(input))]
        : await connection.sendBytes(Buffer.from(input.raw, 'latin1'));
    for (const answer of answers) {
      const status = answer?.status ?? 'not sent';
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
    return answers.map((answer) => answer && offence(input, answer)).find((problem) => problem !== undefined);
  }

  /** Sends a batch over all connections. */
  async function sendAll(number: number): Promise<Found[]> {
    const found: Found[] = [];
    const queue = fc.sample(inputs, batchOf(number)).entries();
    await Promise.all(
      connections.map(async (connection) => {
        for (const [index, input] of queue) {
          const problem = await send(connection, input);
          if (problem !== undefined) found.push({ problem, index });
        }
      }),
    );
    return found;
  }

  /** The smallest input with this problem, and how to repeat it. */
  async function describeOffence(number: number, { problem, index }: Found): Promise<string> {
    const property = fc.asyncProperty(inputs, async (input) => (await send(connections[0]!, input)) === undefined);
    const parameters = { ...batchOf(number), numRuns: 1, path: String(index), interruptAfterTimeLimit: 10_000 };
    const { counterexample } = await fc.check(property, parameters);
    const [first] = fc.sample(inputs, { ...batchOf(number), numRuns: 1, path: String(index) });
    const text = JSON.stringify(counterexample?.[0] ?? first).slice(0, 3000);
    return `SIGRA_SEED=${(seed + number) >>> 0}, input ${index}: ${problem} to ${text}`;
  }

  async function goodOnes(): Promise<number[]> {
    const present = (headers: readonly [string, string][]) =>
      connections[0]!.send({ method: 'GET', path: '/me', headers, body: '' });
    const answers = [
      await present([['authorization', `Bearer ${good.rawToken}`]]),
      await present([['authorization', `Bearer ${good.accessToken}`]]),
      await present([['x-session-user', good.userId]]),
    ];
    return answers.map(({ status }) => status);
  }

  it(
    `${INPUTS} inputs are refused or served, and change nothing of others`,
    async () => {
      const offences: string[] = [];
      let longest = 0;
      const run = async (number: number) => {
        const found = await sendAll(number);
        for (const each of found.slice(0, MOST_OFFENCES - offences.length)) {
          offences.push(await describeOffence(number, each));
        }
        const report = await honest.report();
        longest = Math.max(longest, report.longest);
        const others = Object.keys(report.statuses).filter((status) => status !== '200');
        if (others.length > 0) offences.push(`an honest client got ${others.join(', ')} in batch ${number}`);
        expect(await goodOnes()).toEqual([200, 200, 200]);
      };

      await run(0);
      await run(1);
      closeAll();
      const before = await node.holdings();
      const started = performance.now();
      let longestTurn = 0;
      for (let number = 0; number * BATCH < INPUTS && offences.length < MOST_OFFENCES; number++) {
        await run(number);
        if (number % TURNS_EVERY === 0) {
          const turn = (await node.holdings()).longestTurn;
          longestTurn = Math.max(longestTurn, turn);
          if (turn > STALL_MS) offences.push(`SIGRA_SEED=${seed}: a turn of ${turn} ms before batch ${number + 1}`);
        }
      }
      const rate = (INPUTS / (performance.now() - started)) * 1000;
      closeAll();
      const after = await eventually(async () => {
        const holdings = await node.holdings();
        return holdings.sockets <= before.sockets + POOL && holdings.timers <= before.timers + 2 && holdings;
      });

      line([
        adapter,
        'hostile bytes',
        `${INPUTS} inputs with seed ${seed}, ${Math.round(rate)} per second`,
        counts(statuses),
        `honest client at most ${longest} ms, longest turn ${longestTurn} ms`,
        held(before, after),
      ]);
      expect(offences).toEqual([]);
      expect(after.heap - before.heap).toBeLessThan(HEAP_BYTES);
      expect(await namesOf(node.url, good.rawToken)).toEqual(['good']);
      expect(statuses['401']).toBeGreaterThan(INPUTS / 5);
      expect(statuses['400']).toBeGreaterThan(INPUTS / 10);
    },
    // A busy machine sends a hundred a second.
    120_000 + INPUTS * 20,
  );
});

/** What is wrong with an answer. */
function offence({ method, path, expects, mayClose = false }: HostileInput, answer: OddAnswer): string | undefined {
  const { status, type, body } = answer;
  const said = `${status} ${body.slice(0, 300)}`;
  if (status === -1) return 'no answer';
  if (status === 0) return mayClose ? undefined : 'a closed connection';
  if (status >= 500) return said;
  const isAccepted = status >= 200 && status < 300;
  if (expects === 'refused' && isAccepted) return said;
  if (expects === 'served' && status !== 200) return said;
  if (path === '/oauth/introspect' && isAccepted && body !== '{"active":false}') return said;
  const isJson = type.startsWith('application/json') && canParse(body);
  return body === '' || isJson || method === 'OPTIONS' ? undefined : `not JSON: ${said}`;
}

function canParse(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

async function issueTo(url: string, userId: string, mallory: string): Promise<GoodCredentials> {
  const { rawToken, token } = await createToken(url, userId, 'good', ['*']);
  const dead = await createToken(url, userId, 'dead');
  const session = { 'x-session-user': userId };
  await fetch(`${url}/api/tokens/${dead.token.id}`, { method: 'DELETE', headers: session });
  const pair = await post<{ access_token: string; refresh_token: string }>(`${url}/api/jwt`, userId, { scopes: ['*'] });
  return {
    userId,
    rawToken,
    tokenId: token.id,
    deadToken: dead.rawToken,
    accessToken: pair.access_token,
    refreshToken: pair.refresh_token,
    jwtSecret: JWT.secret,
    mallory,
  };
}

interface Issued {
  readonly rawToken: string;
  readonly token: { readonly id: string };
}

function createToken(url: string, userId: string, name = 'honest', scopes = ['read:notes']): Promise<Issued> {
  return post(`${url}/api/tokens`, userId, { name, scopes });
}

async function post<T>(url: string, userId: string, body: object): Promise<T> {
  const headers = { 'x-session-user': userId, 'content-type': 'application/json' };
  return (await (await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })).json()) as T;
}

async function namesOf(url: string, rawToken: string): Promise<string[]> {
  const answer = await fetch(`${url}/api/tokens`, { headers: { authorization: `Bearer ${rawToken}` } });
  return ((await answer.json()) as { tokens: { name: string }[] }).tokens.map(({ name }) => name);
}
