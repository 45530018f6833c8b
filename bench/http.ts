import type { HttpContestantName } from './contestants/http/all.js';
import type { Visitor } from './contestants/http/contestant.js';
import { Child } from './harness/child-process.js';
import { figuresTable } from './harness/figures-table.js';
import type { Headers, HttpLoad } from './harness/load.js';
import { type Figures, inTurn, repeated } from './harness/rounds.js';
import type { Sample } from './harness/sample.js';
import type { Findings, Table } from './harness/section.js';
import type { Stage } from './harness/stage.js';
import { rawToken, userId } from './harness/tokens.js';
import { chartOf, CLOSE, type CloseResults, demandsOf, LABELS, type Results } from './http-findings.js';
import type { Adapter, HttpServer } from './workers/http-server.js';

export const title = 'Requests over HTTP';

const ADAPTERS: readonly Adapter[] = ['fastify', 'express'];
const CONNECTIONS = 64;
/** Different credentials that each connection sends in turn. Connections share no credential. */
const PER_CONNECTION = 10;
/** The number of a token that is not seeded. */
const UNKNOWN = 999_999_999;

interface Contestant {
  readonly name: HttpContestantName;
  readonly turn: (seconds: number) => Promise<Sample>;
  readonly stop: () => Promise<void>;
}

export async function run(stage: Stage): Promise<Findings> {
  const { rounds, closeProcesses, closeRounds, warmUp } = stage.settings;
  const results = {} as Record<Adapter, Record<HttpContestantName, Figures>>;
  for (const adapter of ADAPTERS) {
    results[adapter] = await runAdapter(stage, adapter, Object.keys(LABELS) as HttpContestantName[], {
      rounds,
      warmUp,
    });
  }
  const close = await repeated(closeProcesses, () =>
    runAdapter(stage, 'fastify', CLOSE, { rounds: closeRounds, warmUp }),
  );
  return findings(results, close, await stage.load());
}

async function runAdapter<Name extends HttpContestantName>(
  stage: Stage,
  adapter: Adapter,
  names: readonly Name[],
  series: { readonly rounds: number; readonly warmUp: number },
): Promise<Record<Name, Figures>> {
  await Promise.all([stage.seeded(), stage.load()]);
  const contestants = await Promise.all(names.map((name) => startContestant(stage, adapter, name)));
  try {
    stage.say(`http on ${adapter}: ${series.rounds} rounds of ${contestants.length} servers`);
    const turns = contestants.map(({ name, turn }) => [name, turn] as const);
    return await inTurn(
      { ...series, turn: stage.settings.httpTurn, server: await stage.server() },
      Object.fromEntries(turns) as Record<Name, Contestant['turn']>,
    );
  } finally {
    await Promise.all(contestants.map((contestant) => contestant.stop()));
  }
}

/** The callers: users and tokens, spread evenly over all that are seeded. */
function visitors({ settings: { users, tokens } }: Stage): Visitor[] {
  return Array.from({ length: CONNECTIONS * PER_CONNECTION }, (_, index) => {
    const token = 1 + ((index * 7919) % tokens);
    return { token, user: 1 + (token % users) };
  });
}

async function startContestant(stage: Stage, adapter: Adapter, name: HttpContestantName): Promise<Contestant> {
  const databases = await stage.seeded();
  const server = await Child.start<HttpServer>(new URL('./workers/http-server.ts', import.meta.url), {
    args: [adapter, name, databases.sigra, databases.policies, databases.betterAuth],
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
      const result = await load.run({ url, seconds, connections });
      return { ...result, cpuMicros: (await server.call('cpu', undefined)) - before };
    },
    stop: () => server.stop(),
  };
}

/** A guard that accepts every credential, or finds the wrong user, must not count as fast. */
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
  if (forged.status !== 401) throw new Error(`${name} answers ${forged.status} to an unknown token`);
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

function findings(results: Results, close: CloseResults, load: HttpLoad): Findings {
  return {
    demands: demandsOf(results, close),
    tables: [
      ...ADAPTERS.map((adapter) => tableOf(adapter === 'fastify' ? 'Fastify' : 'Express', results[adapter])),
      tableOf(
        `What is added to Sigra on Fastify, ${close['sigra-token'].turns.length} rounds of several processes`,
        close,
      ),
    ],
    charts: ADAPTERS.map((adapter) => chartOf(adapter, results[adapter])),
    notes: [
      `${CONNECTIONS} keep-alive connections of ${load.name} in a second process, which share no credential at any moment. ` +
        'Each server is a separate process. The load and PostgreSQL use the same cores, so they slow a fast server down.',
      'A header identifies the session, so that the session store of the host is not measured.',
      'The hand-written use of `@nestjs/jwt` passes the secret as a string, as in the documentation of Nest; a key object ' +
        'would be faster.',
    ],
  };
}

function tableOf(title: string, figures: Readonly<Partial<Record<HttpContestantName, Figures>>>): Table {
  return figuresTable(
    title,
    'requests',
    Object.entries(figures).map(([name, each]) => [LABELS[name as HttpContestantName], each]),
  );
}
