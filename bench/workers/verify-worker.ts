import type { VerifyFactory } from '../contestants/verify/contestant.js';
import { serve } from '../harness/child-api.js';
import { closedLoop } from '../harness/closed-loop.js';
import { randomIndexes, rawApiKey, rawToken } from '../harness/tokens.js';

/** `verify-worker.ts <contestant> <database url> [<url of a standby>…]`: one contestant in a separate process. */
export type VerifyContestantName = 'sigra' | 'sigra-policies' | 'sigra-standbys' | 'typeorm' | 'pg' | 'better-auth';

const factories: Readonly<Record<VerifyContestantName, () => Promise<VerifyFactory>>> = {
  sigra: async () => (await import('../contestants/verify/sigra.js')).sigra,
  'sigra-policies': async () => (await import('../contestants/verify/sigra.js')).sigraWithPolicies,
  'sigra-standbys': async () => (await import('../contestants/verify/sigra.js')).sigraWithStandbys,
  typeorm: async () => (await import('../contestants/verify/typeorm.js')).typeorm,
  pg: async () => (await import('../contestants/verify/pg.js')).namedStatement,
  'better-auth': async () => (await import('../contestants/verify/better-auth.js')).betterAuthKeys,
};

/** Distinct credentials of one turn, drawn from all credentials. */
const DRAWN = 100_000;

const [name = '', databaseUrl = '', ...standbyUrls] = process.argv.slice(2);
const factory = await factories[name as VerifyContestantName]();
const contestant = await factory(databaseUrl, standbyUrls);
const rawCredential = name === 'better-auth' ? rawApiKey : rawToken;

const methods = {
  turn: ({ inFlight, seconds, tokens, seed }: { inFlight: number; seconds: number; tokens: number; seed: number }) => {
    const drawn = randomIndexes(DRAWN, tokens, seed).map(rawCredential);
    let next = 0;
    return closedLoop({ inFlight, until: seconds }, () => contestant.verify(drawn[next++ % DRAWN] ?? ''));
  },
  /** Whether an unknown credential is refused: a contestant that accepts everything must not count as fast. */
  refusesUnknown: ({ tokens }: { tokens: number }) =>
    contestant.verify(rawCredential(tokens + 1)).then(
      () => false,
      () => true,
    ),
};
export type VerifyWorker = typeof methods;
serve(methods, () => contestant.close());
