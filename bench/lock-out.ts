import { withClient } from './harness/database.js';
import { figuresTable } from './harness/figures-table.js';
import { byRound, figuresOf, withDatabaseCpu } from './harness/rounds.js';
import type { Sample } from './harness/sample.js';
import type { Findings } from './harness/section.js';
import { createTables, seedTokens, settle } from './harness/seed.js';
import type { Stage } from './harness/stage.js';
import { userIdSql } from './harness/tokens.js';
import { IN_FLIGHT, startNode } from './scale/sigra-node.js';

export const title = 'Ending all credentials of an owner with very many';

const OTHERS = 100_000;
const USERS = 10_000;
const TOKENS = 1_000_000;
const FAMILIES = 200_000;
/** Tokens that one token made. */
const MADE = 100_000;
/** Milliseconds: the default `lookupTimeout`. */
const LOOKUP_TIMEOUT = 2000;

interface Round {
  readonly quiet: Sample;
  readonly during: Sample;
  /** Milliseconds. */
  readonly locking: number;
  /** Milliseconds from the end of the lock-out to the last accepted verification that another node began. */
  readonly late: number;
  /** Milliseconds. */
  readonly revoking: number;
  readonly sweepSeconds: number;
}

/** One owner has almost all rows. Its lock-out must be in force at once, and others must not feel the sweep. */
export async function run(stage: Stage): Promise<Findings> {
  const { slowRounds } = stage.settings;
  const rounds: Round[] = [];
  for (let round = 0; round < slowRounds; round++) {
    stage.say(`lock-out: round ${round + 1}`);
    rounds.push(await measure(stage));
  }
  const figures = {
    quiet: figuresOf(rounds.map(({ quiet }) => quiet)),
    during: figuresOf(rounds.map(({ during }) => during)),
  };
  const worst = (value: (round: Round) => number) => Math.max(...rounds.map(value));
  return {
    demands: [
      {
        what: 'lockOut, against lookupTimeout, slowest round',
        bound: 'at most',
        limit: 1,
        unit: 'times',
        measured: worst(({ locking }) => locking) / LOOKUP_TIMEOUT,
      },
      {
        what: 'time from the end of lockOut to the last accepted verification that another node began, slowest round',
        bound: 'at most',
        limit: 0,
        unit: 'ms',
        measured: worst(({ late }) => late),
      },
      {
        what: `revocation of a token that made ${MADE.toLocaleString('en-US')} others, against lookupTimeout, slowest round`,
        bound: 'at most',
        limit: 1,
        unit: 'times',
        measured: worst(({ revoking }) => revoking) / LOOKUP_TIMEOUT,
      },
      {
        what: 'verify p99 of other owners during the sweep, against p99 without',
        bound: 'at most',
        limit: 2,
        unit: 'times',
        measured: byRound(figures, ({ during, quiet }) => during.p99 / quiet.p99),
      },
    ],
    tables: [
      figuresTable(`Verification for other owners, ${IN_FLIGHT} in flight`, 'verifications', [
        ['before', figures.quiet],
        ['during the lock-out and its sweep', figures.during],
      ]),
    ],
    charts: [],
    notes: [
      `${slowRounds} rounds, each on a new database. lockOut of an owner with ${TOKENS.toLocaleString('en-US')} tokens and ` +
        `${FAMILIES.toLocaleString('en-US')} families resolved in ${rounds.map(({ locking }) => locking.toFixed(0)).join(', ')} ms; the sweep ` +
        `marked all rows in ${rounds.map(({ sweepSeconds }) => sweepSeconds.toFixed(0)).join(', ')} s.`,
    ],
  };
}

async function measure(stage: Stage): Promise<Round> {
  const { turn, warmUp } = stage.settings;
  const server = await stage.server();
  const url = await server.createDatabase('lock_out');
  const big = USERS + 1;
  await createTables(url, big + 1);
  await seedTokens(url, { count: OTHERS, owner: `1 + i % ${USERS}` });
  await seedTokens(url, { from: OTHERS + 1, count: TOKENS, owner: String(big) });
  await withClient(url, (client) => client.query(familiesOf(big)));
  const maker = OTHERS + TOKENS + 1;
  await seedTokens(url, { from: maker, count: MADE + 1, owner: String(big + 1) });
  await withClient(url, (client) => client.query(madeBy(maker)));
  await settle(url);

  const [node, other] = [await startNode(url), await startNode(url)];
  const load = { inFlight: IN_FLIGHT, tokens: OTHERS };
  await node.call('turn', { ...load, seconds: warmUp, seed: 1 });
  const quiet = await withDatabaseCpu(server, () => node.call('turn', { ...load, seconds: turn * 7, seed: 2 }));
  const [during, lastAccepted] = await Promise.all([
    withDatabaseCpu(server, () => node.call('turnDuringLockOut', { ...load, seed: 3, user: big })),
    other.call('lastAccepted', { token: OTHERS + 1 }),
  ]);
  const left = await withClient(url, (client) => client.query<{ count: string }>(unmarked(big)));
  const { milliseconds: revoking } = await node.call('revoke', { token: maker });
  const isRefused = await other.call('isRefused', { token: maker });
  await Promise.all([node.stop(), other.stop()]);
  await server.dropDatabase('lock_out');
  if (!isRefused) throw new Error('the token that made others is still accepted');
  if (left.rows[0]?.count !== '0') throw new Error(`${left.rows[0]?.count} rows were not marked`);
  const { milliseconds: locking, lockedAt, sweepSeconds } = during;
  return { quiet, during, locking, late: Math.max(0, lastAccepted - lockedAt), revoking, sweepSeconds };
}

function unmarked(user: number): string {
  return `SELECT (SELECT count(*) FROM sigra_sweeps)
    + (SELECT count(*) FROM sigra_refresh_families WHERE revoked_at IS NULL)
    + (SELECT count(*) FROM sigra_api_tokens WHERE revoked_at IS NULL AND owner_id = ${userIdSql(String(user))}) AS count`;
}

/** @param token the number of the token that made all others of its owner */
function madeBy(token: number): string {
  return `UPDATE sigra_api_tokens t SET made_by_token_id = maker.id, descends_from = ARRAY[maker.id] FROM sigra_api_tokens maker
    WHERE maker.name = 'token ${token}' AND t.owner_id = maker.owner_id AND t.id <> maker.id`;
}

function familiesOf(user: number): string {
  return `INSERT INTO sigra_refresh_families (id, owner_type, owner_id, epoch, scopes, absolute_expires_at, created_at)
    SELECT uuidv7(), 'user', ${userIdSql(String(user))}, 0, '{read:projects}', now() + interval '90 days', now()
    FROM generate_series(1, ${FAMILIES})`;
}
