import type { RefreshFactory } from '../contestants/refresh/contestant.js';
import { betterAuthProvider } from '../contestants/refresh/better-auth.js';
import { handWritten } from '../contestants/refresh/hand-written.js';
import { sigra } from '../contestants/refresh/sigra.js';
import { serve } from '../harness/child-api.js';
import { closedLoop } from '../harness/closed-loop.js';
import { userId } from '../harness/tokens.js';

/** `refresh-worker.ts <contestant> <database url>`: one contestant in a separate process. */
export type RefreshContestantName = 'sigra' | 'hand-written' | 'better-auth';

const factories: Readonly<Record<RefreshContestantName, RefreshFactory>> = {
  sigra,
  'hand-written': handWritten,
  'better-auth': betterAuthProvider,
};

const [name = '', databaseUrl = ''] = process.argv.slice(2);
const contestant = await factories[name as RefreshContestantName](databaseUrl);
/** The newest refresh token of each family. */
const newest: string[] = [];

const methods = {
  signIn: async ({ families }: { families: number }) => {
    for (let user = 1; user <= families; user++) newest.push(await contestant.signIn(userId(user)));
  },
  turn: ({ seconds }: { seconds: number }) =>
    closedLoop({ inFlight: newest.length, until: seconds }, async (family) => {
      newest[family] = await contestant.refresh(newest[family] ?? '');
    }),
  countLive: () => contestant.countLive(),
};
export type RefreshWorker = typeof methods;
serve(methods, () => contestant.close());
