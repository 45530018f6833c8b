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

const SIGN_INS_AT_ONCE = 50;

const rotate = async (family: number) => {
  newest[family] = await contestant.refresh(newest[family] ?? '');
};

const methods = {
  signIn: async ({ families }: { families: number }) => {
    for (let user = 1; user <= families; user += SIGN_INS_AT_ONCE) {
      const users = Array.from({ length: Math.min(SIGN_INS_AT_ONCE, families - user + 1) }, (_, index) => user + index);
      newest.push(...(await Promise.all(users.map((each) => contestant.signIn(userId(each))))));
    }
  },
  turn: ({ seconds }: { seconds: number }) => closedLoop({ inFlight: newest.length, until: seconds }, rotate),
  /** All families at the same moment, once each. */
  burst: () => {
    let started = 0;
    return closedLoop({ inFlight: newest.length, until: () => started++ >= newest.length }, rotate);
  },
  countLive: () => contestant.countLive(),
};
export type RefreshWorker = typeof methods;
serve(methods, () => contestant.close());
