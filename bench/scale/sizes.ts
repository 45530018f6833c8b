import { withClient } from '../harness/database.js';
import { figuresTable } from '../harness/figures-table.js';
import { byRound, type Figures, inTurn } from '../harness/rounds.js';
import type { Findings, Table } from '../harness/section.js';
import type { Stage } from '../harness/stage.js';
import type { ScaleDatabases } from './seed-scale.js';
import { IN_FLIGHT, startNode } from './sigra-node.js';

/** Does verification slow down as the table grows? */
export async function measureSizes(stage: Stage, { small, usual, large }: ScaleDatabases): Promise<Findings> {
  const { scaleTokens } = stage.settings;
  stage.say('scale: verification by the size of the table');
  const nodes = await Promise.all([small, usual, large].map((url) => startNode(url)));
  let seed = 0;
  const turns = nodes.map((node, index) => {
    const tokens = scaleTokens[index] ?? 0;
    return [
      String(tokens),
      (seconds: number) => node.call('turn', { inFlight: IN_FLIGHT, seconds, tokens, seed: ++seed }),
    ] as const;
  });
  const figures: Readonly<Record<string, Figures>> = await inTurn(
    { ...stage.settings, server: await stage.server() },
    Object.fromEntries(turns),
  );
  const memory = await Promise.all(nodes.map((node) => node.call('memory', undefined)));
  await Promise.all(nodes.map((node) => node.stop()));

  const rows = scaleTokens.map((tokens) => [tokens, figures[tokens]] as const);
  const [first, , last] = scaleTokens;
  return {
    demands: [
      {
        what: `time of a verification at ${last.toLocaleString('en-US')} tokens against ${first.toLocaleString('en-US')}`,
        bound: 'at most',
        limit: 1.2,
        unit: 'times',
        measured: byRound(figures, (round) => (round[first]?.rate ?? NaN) / (round[last]?.rate ?? NaN)),
      },
    ],
    tables: [
      figuresTable(
        `Verification by the size of the table, ${IN_FLIGHT} in flight`,
        'verifications',
        rows.flatMap(([tokens, each]) => (each ? [[`${tokens.toLocaleString('en-US')} tokens`, each]] : [])),
      ),
      {
        title: 'Resident memory of the process afterwards',
        columns: ['', 'MiB'],
        rows: scaleTokens.map((tokens, index) => [`${tokens.toLocaleString('en-US')} tokens`, memory[index] ?? NaN]),
      },
      await storageOf(large, last),
    ],
    charts: [],
    notes: [`Each turn uses ${(100_000).toLocaleString('en-US')} tokens, drawn at random from the whole table.`],
  };
}

/** The tables and indexes that grow with the tokens, and what they would be with a hundred million. */
async function storageOf(url: string, tokens: number): Promise<Table> {
  const relations = await withClient(url, async (client) => {
    const { rows } = await client.query<{ name: string; bytes: number }>(
      `SELECT c.relname AS name, pg_relation_size(c.oid)::float8 AS bytes FROM pg_class c
       WHERE c.oid = 'sigra_api_tokens'::regclass
         OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'sigra_api_tokens'::regclass)
       ORDER BY bytes DESC`,
    );
    return rows;
  });
  const all = [...relations, { name: 'together', bytes: relations.reduce((sum, { bytes }) => sum + bytes, 0) }];
  return {
    title: `Storage of ${tokens.toLocaleString('en-US')} tokens, and calculated for 100,000,000`,
    columns: ['', 'MiB', 'bytes per token', 'GiB for 100,000,000'],
    rows: all.map(({ name, bytes }) => [name, bytes / 2 ** 20, bytes / tokens, ((bytes / tokens) * 1e8) / 2 ** 30]),
  };
}
