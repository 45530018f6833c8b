import type { HttpContestantName } from './contestants/http/all.js';
import type { Visitor } from './contestants/http/contestant.js';
import { Child } from './harness/child-process.js';
import { figuresTable } from './harness/figures-table.js';
import type { Headers } from './harness/load.js';
import { type Figures, inTurn } from './harness/rounds.js';
import type { Sample } from './harness/sample.js';
import type { Findings } from './harness/section.js';
import type { Stage } from './harness/stage.js';
import { rawToken, userId } from './harness/tokens.js';
import { chartOf, demandsOf, LABELS, type Results } from './http-findings.js';
import type { Adapter, HttpServer } from './workers/http-server.js';

export const title = 'Requests over HTTP';

const ADAPTERS: readonly Adapter[] = ['fastify', 'express'];
const CONNECTIONS = 64;
/** Different credentials that each connection sends in turn; no two connections share one. */
const PER_CONNECTION = 10;
/** A token beyond all that are seeded. */
const UNKNOWN = 999_999_999;

interface Contestant {
  readonly name: HttpContestantName;
  readonly turn: (seconds: number) => Promise<Sample>;
  readonly stop: () => Promise<void>;
}

export async function run(stage: Stage): Promise<Findings> {
  const results = {} as Record<Adapter, Record<HttpContestantName, Figures>>;
  for (const adapter of ADAPTERS) results[adapter] = await runAdapter(stage, adapter);
  return findings(results);
}

async function runAdapter(stage: Stage, adapter: Adapter): Promise<Record<HttpContestantName, Figures>> {
  const { rounds, httpTurn, warmUp } = stage.settings;
  const names = Object.keys(LABELS) as HttpContestantName[];
  await Promise.all([stage.seeded(), stage.load()]);
  const contestants = await Promise.all(names.map((name) => startContestant(stage, adapter, name)));
  try {
    stage.say(`http on ${adapter}: ${rounds} rounds of ${contestants.length} servers`);
    const turns = contestants.map(({ name, turn }) => [name, turn] as const);
    return await inTurn(
      { rounds, turn: httpTurn, warmUp },
      Object.fromEntries(turns) as Record<HttpContestantName, Contestant['turn']>,
    );
  } finally {
    await Promise.all(contestants.map((contestant) => contestant.stop()));
  }
}

/** Who sends requests: users and tokens spread over all there are. */
function visitors({ settings: { users, tokens } }: Stage): Visitor[] {
  return Array.from({ length: CONNECTIONS * PER_CONNECTION }, (_, index) => {
    const token = 1 + ((index * 7919) % tokens);
    return { token, user: 1 + (token % users) };
  });
}

async function startContestant(stage: Stage, adapter: Adapter, name: HttpContestantName): Promise<Contestant> {
  const databases = await stage.seeded();
  const server = await Child.start<HttpServer>(new URL('./workers/http-server.ts', import.meta.url), {
    args: [adapter, name, databases.sigra, databases.betterAuth],
  });
  const load = await stage.load();
  const url = await server.call('url', undefined);
  const everyone = visitors(stage);
  const headers = await server.call('credentials', everyone);
  if (name !== 'bare') await assertGuarded(name, url, everyone, headers);
  const connections = Array.from({ length: CONNECTIONS }, (_, index) =>
    headers.slice(index * PER_CONNECTION, (index + 1) * PER_CONNECTION),
  );
  return {
    name,
    turn: async (seconds) => {
      const before = await server.call('cpu', undefined);
      const result = await load.call('run', { url, seconds, connections });
      return { ...result, cpuMicros: (await server.call('cpu', undefined)) - before };
    },
    stop: () => server.stop(),
  };
}

/** A guard that lets everybody in, or takes one user for another, is quick and wins nothing. */
async function assertGuarded(
  name: string,
  url: string,
  everyone: readonly Visitor[],
  headers: readonly Headers[],
): Promise<void> {
  const stranger = await fetch(url);
  if (stranger.status !== 401) throw new Error(`${name} answers ${stranger.status} to a stranger`);
  const forged = await fetch(url, {
    headers: { authorization: `Bearer ${rawToken(UNKNOWN)}`, 'x-api-key': 'unknown' },
  });
  if (forged.status !== 401) throw new Error(`${name} answers ${forged.status} to a token that nobody was given`);
  await Promise.all(
    everyone.slice(0, 20).map(async ({ user }, index) => {
      const answer = await fetch(url, { headers: { ...headers[index] } });
      const body = await answer.text();
      if (body !== JSON.stringify({ id: userId(user) })) {
        throw new Error(`${name} answers ${answer.status} ${body} to user ${userId(user)}`);
      }
    }),
  );
}

function findings(results: Results): Findings {
  return {
    demands: demandsOf(results),
    tables: ADAPTERS.map((adapter) =>
      figuresTable(
        adapter === 'fastify' ? 'Fastify' : 'Express',
        'requests',
        Object.entries(results[adapter]).map(([name, figures]) => [LABELS[name as HttpContestantName], figures]),
      ),
    ),
    charts: ADAPTERS.map((adapter) => chartOf(adapter, results[adapter])),
    notes: [
      `${CONNECTIONS} keep-alive connections of autocannon in a second process, each with ${PER_CONNECTION} credentials ` +
        'of its own; each server is a process of its own, and its CPU is what its process used. The load and PostgreSQL ' +
        'take their share of the same cores, so that a quick server is held back by them.',
      'The session is found by a header, so that what the host does to find it is not measured.',
      'By hand, `@nestjs/jwt` has its secret as a text, as in the documentation of Nest; with a key object it would be quicker.',
    ],
  };
}
