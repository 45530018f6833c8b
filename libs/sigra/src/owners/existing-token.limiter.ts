import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { BackgroundTask } from '../common/background-task.js';
import { Clock } from '../common/clock.js';
import { awaitBriefly } from '../common/deadline.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { ApiTokenRepository } from '../persistence/api-token.repository.js';
import { LineageRepository } from '../persistence/lineage.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { type ApiToken, makerIdOf, ownerOf } from '../persistence/tables.js';
import { CredentialSweeper } from './credential.sweeper.js';
import { LineageRevoker } from './lineage.revoker.js';
import { endOfToken } from './end-of-token.js';

const TOKENS_PER_BATCH = 1000;

/**
 * Gives what tokens outside the rules have made, to any depth, the end that `enforceOnExisting` gives these tokens: when the
 * application starts, and with each clean-up, because a node without the option can have made more. `MintingGate` limits what
 * they make from then on.
 */
@Injectable()
export class ExistingTokenLimiter implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(ExistingTokenLimiter.name);
  private readonly limiting = new BackgroundTask(
    0,
    () => (this.isClosing ? Promise.resolve() : this.limit()),
    (error) => {
      this.logger.error(`The next clean-up will limit what older tokens made, because this failed: ${String(error)}`);
    },
  );
  private isClosing = false;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly database: SigraDatabase,
    private readonly tokens: ApiTokenRepository,
    private readonly lineage: LineageRepository,
    private readonly revoker: LineageRevoker,
    private readonly sweeper: CredentialSweeper,
  ) {}

  /** Waits for it: for few tokens, it ends before the first request. */
  async onApplicationBootstrap(): Promise<void> {
    await awaitBriefly(this.limiting.run());
  }

  async onApplicationShutdown(): Promise<void> {
    this.isClosing = true;
    await awaitBriefly(this.limiting.run());
  }

  /** Requests the sweeps of all tokens outside the rules, and processes them. @throws SigraError `unavailable` */
  async limit(): Promise<void> {
    const { enforceOnExisting, kinds } = this.config.apiTokens;
    if (!enforceOnExisting || !kinds.limitLifetimes) return;
    const types = this.config.ownerTypes.map(({ type }) => type);
    let last: ApiToken | undefined;
    let hasMore = true;
    while (hasMore && !this.isClosing) {
      // What an unused token made can be in use.
      const tokens = await this.tokens.listOutsideRules(types, this.clock.now(), TOKENS_PER_BATCH, last, true);
      await this.request(tokens);
      last = tokens.at(-1);
      hasMore = tokens.length === TOKENS_PER_BATCH;
    }
    await this.sweeper.drain();
  }

  private request(tokens: readonly ApiToken[]): Promise<void> {
    // What a replaced token made belongs to its successor.
    const makers = new Map(
      tokens.filter(({ replacedBy }) => replacedBy === null).map((token) => [makerIdOf(token), token]),
    );
    const requestAll = async (manager: EntityManager) => {
      for (const id of await this.lineage.haveDescendants(manager, [...makers.keys()])) {
        const maker = makers.get(id);
        const endsAt = maker ? endOfToken(maker, this.config.apiTokens) : null;
        if (!maker || !endsAt || (await this.lineage.haveDescendants(manager, [id], endsAt)).length === 0) continue;
        await this.revoker.requestLimit(manager, ownerOf(maker), id, endsAt, this.clock.now());
      }
    };
    return this.database.transaction(requestAll, undefined, { settles: false });
  }
}
