import { setTimeout as delay } from 'node:timers/promises';
import { ApiTokenService, CredentialService, SigraError, TokenCleanupService } from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import { EVERY_POLICY } from '../contestants/host.js';
import { startSigra } from '../contestants/sigra-app.js';
import { serve } from '../harness/child-api.js';
import { closedLoop } from '../harness/closed-loop.js';
import type { Sample } from '../harness/sample.js';
import { CALLER } from '../harness/seed.js';
import { StatementCounter } from '../harness/statement-counter.js';
import { median } from '../harness/statistics.js';
import { randomIndexes, rawToken, userId } from '../harness/tokens.js';

/** `sigra-worker.ts <database url> [policies]`: an application with Sigra, and all calls that benchmarks make in process. */
const [databaseUrl = '', policies] = process.argv.slice(2);
const app = await startSigra(databaseUrl, policies === 'policies' ? EVERY_POLICY : {});
const tokens = app.get(ApiTokenService);

/** Distinct tokens of one turn, drawn from all tokens. */
const DRAWN = 100_000;

export interface Turn {
  readonly inFlight: number;
  readonly seconds: number;
  /** Tokens are drawn from numbers 1 to this. */
  readonly tokens: number;
  readonly seed: number;
}

const methods = {
  turn: (turn: Turn) => verifyLoop(turn, turn.seconds),

  /** Resident memory after a garbage collection, in MiB. */
  memory: () => {
    globalThis.gc?.();
    return process.memoryUsage.rss() / 2 ** 20;
  },

  /** Verifies until a clean-up ends. */
  turnDuringCleanUp: async (turn: Omit<Turn, 'seconds'>) => {
    const start = performance.now();
    let ended: number | undefined;
    const cleaning = app
      .get(TokenCleanupService)
      .cleanupExpiredTokens()
      .finally(() => (ended = performance.now()));
    const sample = await verifyLoop(turn, () => ended !== undefined);
    const { expiredTokens } = await cleaning;
    return { ...sample, deleted: expiredTokens, cleanUpSeconds: ((ended ?? NaN) - start) / 1000 };
  },

  /** Runs this number of verifications of tokens 1 to `tokens`, and counts the statements that they send. */
  verifyTimes: async ({ times, inFlight, tokens: count }: { times: number; inFlight: number; tokens: number }) => {
    const drawn = Array.from({ length: count }, (_, index) => rawToken(index + 1));
    const counter = StatementCounter.of(app.get(DataSource));
    const order = randomIndexes(times, count, 1);
    let next = 0;
    const start = performance.now();
    await Promise.all(
      Array.from({ length: inFlight }, async () => {
        for (let index = order[next++]; index !== undefined; index = order[next++]) {
          await tokens.verify(drawn[index - 1] ?? '', CALLER);
        }
      }),
    );
    const seconds = (performance.now() - start) / 1000;
    // Closing flushes the uses that are still in memory; they count too.
    await app.close();
    return { seconds, updates: counter.updates, counts: counter.counts, reads: counter.reads };
  },

  pages,

  /** The pages of a user, and one call that revokes all tokens. */
  manyTokens: async (request: { user: number; times: number }) => {
    const found = await pages(request);
    const start = performance.now();
    const revoked = await tokens.revokeAll(userId(request.user));
    return { ...found, revoked, milliseconds: performance.now() - start };
  },

  /** Verifies tokens of others until a lock-out and its sweep have ended. */
  turnDuringLockOut: async ({ user, ...turn }: Omit<Turn, 'seconds'> & { user: number }) => {
    const start = performance.now();
    let locked = NaN;
    let lockedAt = NaN;
    let ended: number | undefined;
    const ending = (async () => {
      await app.get(CredentialService).lockOut(userId(user));
      locked = performance.now();
      lockedAt = Date.now();
      while ((await app.get(DataSource).query<unknown[]>('SELECT FROM sigra_sweeps')).length > 0) await delay(100);
      ended = performance.now();
    })();
    const sample = await verifyLoop(turn, () => ended !== undefined);
    await ending;
    return { ...sample, lockedAt, milliseconds: locked - start, sweepSeconds: ((ended ?? NaN) - start) / 1000 };
  },

  revoke: async ({ token }: { token: number }) => {
    const { id } = await tokens.verify(rawToken(token));
    const start = performance.now();
    await tokens.revoke(id);
    return { milliseconds: performance.now() - start };
  },

  /** Verifies a token all the time until it is refused. @returns when the last accepted verification began */
  lastAccepted: async ({ token }: { token: number }) => {
    let last = 0;
    for (;;) {
      const start = Date.now();
      if (await isRefused(token)) return last;
      last = start;
    }
  },

  isRefused: ({ token }: { token: number }) => isRefused(token),
};
export type SigraWorker = typeof methods;
serve(methods, () => app.close());

/** Median times of the first and the last page of a user, in milliseconds, and the number of pages. */
async function pages({ user, times }: { user: number; times: number }) {
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
}

function isRefused(token: number): Promise<boolean> {
  return tokens.verify(rawToken(token)).then(
    () => false,
    (error: unknown) => error instanceof SigraError && error.code === 'token_revoked',
  );
}

function verifyLoop(turn: Omit<Turn, 'seconds'>, until: number | (() => boolean)): Promise<Sample> {
  const drawn = randomIndexes(DRAWN, turn.tokens, turn.seed).map(rawToken);
  let next = 0;
  return closedLoop({ inFlight: turn.inFlight, until }, () => tokens.verify(drawn[next++ % DRAWN] ?? ''));
}
