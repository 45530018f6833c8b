import { DatabaseServer } from './database.js';
import { Child } from './child-process.js';
import { Autocannon } from './autocannon.js';
import type { HttpLoad } from './load.js';
import { startWrk } from './wrk.js';
import { createTables, LIMITS, seedTokens, settle } from './seed.js';
import type { Settings } from './settings.js';
import type { BetterAuthSeed } from '../workers/better-auth-seed.js';

export interface SeededDatabases {
  /** Users and tokens of Sigra; the hand-written contestants read them too. */
  readonly sigra: string;
  /** The same tokens, limited to addresses and resources. */
  readonly policies: string;
  /** The same number of users and keys of better-auth, on the same server. */
  readonly betterAuth: string;
}

/** The shared resources of one run: a server, seeded databases, and the process that sends HTTP load. */
export class Stage {
  private starting: Promise<DatabaseServer> | undefined;
  private seeding: Promise<SeededDatabases> | undefined;
  private loading: Promise<HttpLoad> | undefined;

  constructor(readonly settings: Settings) {}

  /** Prints the progress. */
  readonly say = (text: string): void => console.log(`${new Date().toISOString().slice(11, 19)}  ${text}`);

  /** A server whose commits do not wait for the disk. */
  server(): Promise<DatabaseServer> {
    return (this.starting ??= DatabaseServer.start({ durable: false }));
  }

  seeded(): Promise<SeededDatabases> {
    return (this.seeding ??= this.seed());
  }

  /** `wrk` where it is available. */
  load(): Promise<HttpLoad> {
    return (this.loading ??= startWrk().then((wrk): HttpLoad | Promise<HttpLoad> => wrk ?? Autocannon.start()));
  }

  async close(): Promise<void> {
    await (await this.loading)?.stop();
    await (await this.starting)?.stop();
  }

  private async seed(): Promise<SeededDatabases> {
    const { users, tokens } = this.settings;
    const server = await this.server();
    this.say(`seeding ${tokens} tokens of ${users} users, and as many keys of better-auth`);
    const sigra = await server.createDatabase('bench');
    const betterAuth = await server.createDatabase('better_auth');
    const child = await Child.start<BetterAuthSeed>(new URL('../workers/better-auth-seed.ts', import.meta.url), {
      args: [betterAuth],
    });
    await child.call('seed', { users, keys: tokens });
    await child.stop();
    await settle(betterAuth);
    await createTables(sigra, users);
    await seedTokens(sigra, { count: tokens, owner: `1 + i % ${users}` });
    const policies = await server.createDatabase('policies');
    await createTables(policies, users);
    await seedTokens(policies, { count: tokens, owner: `1 + i % ${users}`, limits: LIMITS });
    return { sigra, policies, betterAuth };
  }
}
