import { ApiTokenService, SigraError, TokenCleanupService } from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import { startSigra } from '../contestants/sigra-app.js';
import { serve } from '../harness/child-api.js';
import { closedLoop } from '../harness/closed-loop.js';
import type { Sample } from '../harness/sample.js';
import { StatementCounter } from '../harness/statement-counter.js';
import { median } from '../harness/statistics.js';
import { randomIndexes, rawToken, userId } from '../harness/tokens.js';

/** `sigra-worker.ts <database url>`: an application with Sigra, and everything that is asked of it in process. */
const [databaseUrl = ''] = process.argv.slice(2);
const app = await startSigra(databaseUrl);
const tokens = app.get(ApiTokenService);

/** Distinct tokens that one turn goes through, drawn from all of them. */
const DRAWN = 100_000;

export interface Turn {
  readonly inFlight: number;
  readonly seconds: number;
  /** Tokens number 1 to this are drawn from. */
  readonly tokens: number;
  readonly seed: number;
}

const methods = {
  turn: (turn: Turn) => verifyLoop(turn, turn.seconds),

  /** Verifies for as long as a clean-up takes. */
  turnDuringCleanUp: async (turn: Omit<Turn, 'seconds'>) => {
    const start = performance.now();
    let ended: number | undefined;
    const cleaning = app
      .get(TokenCleanupService)
      .cleanupExpiredTokens()
      .finally(() => (ended = performance.now()));
    const sample = await verifyLoop(turn, () => ended !== undefined);
    const { expiredTokens } = await cleaning;
    return { sample, deleted: expiredTokens, seconds: ((ended ?? NaN) - start) / 1000 };
  },

  /** Exactly so many verifications of tokens number 1 to `tokens`, and what they sent to the server. */
  verifyTimes: async ({ times, inFlight, tokens: count }: { times: number; inFlight: number; tokens: number }) => {
    const drawn = Array.from({ length: count }, (_, index) => rawToken(index + 1));
    const counter = StatementCounter.of(app.get(DataSource));
    const order = randomIndexes(times, count, 1);
    let next = 0;
    const start = performance.now();
    await Promise.all(
      Array.from({ length: inFlight }, async () => {
        for (let index = order[next++]; index !== undefined; index = order[next++]) {
          await tokens.verify(drawn[index - 1] ?? '');
        }
      }),
    );
    const seconds = (performance.now() - start) / 1000;
    // What is still in memory is written now, and counts as well.
    await app.close();
    return { seconds, updates: counter.updates, reads: counter.reads };
  },

  /** Median times in milliseconds of the first page of a user and of the last, and how many pages there are. */
  pages: async ({ user, times }: { user: number; times: number }) => {
    const cursors: (string | undefined)[] = [undefined];
    for (;;) {
      const { nextCursor } = await tokens.listActive(userId(user), { cursor: cursors.at(-1) });
      if (nextCursor === null) break;
      cursors.push(nextCursor);
    }
    const timed = async (cursor: string | undefined) => {
      const taken: number[] = [];
      for (let time = 0; time < times; time++) {
        const start = performance.now();
        await tokens.listActive(userId(user), { cursor });
        taken.push(performance.now() - start);
      }
      return median(taken);
    };
    return { pages: cursors.length, first: await timed(undefined), last: await timed(cursors.at(-1)) };
  },

  revokeAll: async ({ user }: { user: number }) => {
    const start = performance.now();
    const revoked = await tokens.revokeAll(userId(user));
    return { revoked, milliseconds: performance.now() - start };
  },

  revoke: async ({ token }: { token: number }) => {
    const { id } = await tokens.verify(rawToken(token));
    await tokens.revoke(id);
  },

  isRefused: ({ token }: { token: number }) =>
    tokens.verify(rawToken(token)).then(
      () => false,
      (error: unknown) => error instanceof SigraError && error.code === 'token_revoked',
    ),
};
export type SigraWorker = typeof methods;
serve(methods, () => app.close());

function verifyLoop(turn: Omit<Turn, 'seconds'>, until: number | (() => boolean)): Promise<Sample> {
  const drawn = randomIndexes(DRAWN, turn.tokens, turn.seed).map(rawToken);
  let next = 0;
  return closedLoop({ inFlight: turn.inFlight, until }, () => tokens.verify(drawn[next++ % DRAWN] ?? ''));
}
