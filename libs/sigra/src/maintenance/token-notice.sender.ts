import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { BackgroundTask, restAfter } from '../common/background-task.js';
import { awaitBriefly, Deadline } from '../common/deadline.js';
import { OwnerWithEntity } from '../common/principal.js';
import { refuse } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { TokenNoticeOptions } from '../config/sigra-options.js';
import { BEFORE_ALL } from '../persistence/keyset.js';
import { OwnerStateReader } from '../persistence/owner-state.reader.js';
import { type DueNotice, type NoticeKind, TokenNoticeRepository } from '../persistence/token-notice.repository.js';

/** How often each node looks whether a run is due. */
const TICK_SECONDS = 300;
/** The ticks from one run to the next. Thresholds are days, so an hour is soon enough. */
const TICKS_BETWEEN_RUNS = 12;
/** A `notify` that takes longer has failed. Less than the time for which a claim is held. */
const NOTIFY_TIMEOUT_MS = 30_000;
const TOKENS_PER_BATCH = 1000;
/** As many calls of `notify` run at once. */
const NOTICES_PER_BATCH = 20;

/**
 * Calls `apiTokens.onExpiring.notify` and `apiTokens.onUnused.notify`, on a timer of its own: when the application starts,
 * and then every hour, or earlier for notices that were claimed and not sent. Each node runs it; a notice belongs to the node
 * that has claimed it. No connection is held while `notify` runs.
 */
@Injectable()
export class TokenNoticeSender implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(TokenNoticeSender.name);
  private readonly usersType: string;
  private readonly kinds: readonly (readonly [NoticeKind, TokenNoticeOptions])[];
  private readonly sending = new BackgroundTask(
    0,
    () => this.sendAll(),
    (error) => {
      this.logger.error(
        `The next run, within five minutes, sends the notices about tokens, because this failed: ${String(error)}`,
      );
    },
  );
  private ticking: NodeJS.Timeout | undefined;
  private ticksLeft = Infinity;
  private isClosing = false;

  constructor(
    @InjectSigraConfig() { apiTokens: { onExpiring, onUnused }, users }: SigraConfig,
    private readonly notices: TokenNoticeRepository,
    private readonly owners: OwnerStateReader,
  ) {
    this.usersType = users.type;
    this.kinds = [
      ...(onExpiring ? [['expiring', onExpiring] as const] : []),
      ...(onUnused ? [['unused', onUnused] as const] : []),
    ];
  }

  onApplicationBootstrap(): void {
    if (this.kinds.length === 0) return;
    this.ticking = setInterval(() => {
      this.ticksLeft--;
      if (this.ticksLeft <= 0) void this.send();
    }, TICK_SECONDS * 1000).unref();
    void this.send();
  }

  /** A run ends after its current batch. Any node sends the rest. */
  async onApplicationShutdown(): Promise<void> {
    this.isClosing = true;
    clearInterval(this.ticking);
    await awaitBriefly(this.sending.run());
  }

  /** Sends all due notices. Never rejects. */
  send(): Promise<void> {
    return this.sending.run();
  }

  private async sendAll(): Promise<void> {
    // No tick begins another run while this one lasts.
    this.ticksLeft = Infinity;
    let next = 1;
    try {
      const waits: number[] = [];
      for (const [kind, options] of this.kinds) waits.push(await this.sendKind(kind, options));
      next = Math.min(TICKS_BETWEEN_RUNS, ...waits.map((wait) => Math.floor(wait / TICK_SECONDS) + 1));
    } finally {
      this.ticksLeft = next;
    }
  }

  /** @returns seconds until the first unsent notice can be claimed again, by any node */
  private async sendKind(kind: NoticeKind, { days, notify }: TokenNoticeOptions): Promise<number> {
    let first = Infinity;
    let after: string | null = BEFORE_ALL.id;
    while (after !== null && !this.isClosing) {
      const start = performance.now();
      const { claimId, notices, last, wait } = await this.notices.claim(
        kind,
        days,
        after,
        TOKENS_PER_BATCH,
        NOTICES_PER_BATCH,
      );
      if (notices.length > 0) {
        const sent = await Promise.all(notices.map((notice) => this.isSent(notice, notify)));
        const sentIds = notices.filter((_notice, index) => sent[index]).map(({ token }) => token.id);
        first = Math.min(first, (await this.notices.settle(kind, claimId, sentIds)) ?? Infinity);
      }
      first = Math.min(first, wait ?? Infinity);
      // A full batch can have left some of the tokens that it looked at.
      if (notices.length < NOTICES_PER_BATCH) after = last;
      await restAfter(start);
    }
    return first;
  }

  /** Contains whatever `notify` does. */
  private async isSent({ token, days }: DueNotice, notify: TokenNoticeOptions['notify']): Promise<boolean> {
    try {
      const { ownerType: type, ownerId: id } = token;
      const entity = (await this.owners.find(id, undefined, type))?.user;
      // An owner that is not active is told when it is active again.
      if (!entity) return false;
      const owner = new OwnerWithEntity({ type, id }, entity);
      const notified = (async () => {
        await notify(token, { days, user: type === this.usersType ? entity : undefined, owner });
      })();
      const tooLong = () => refuse('unavailable', 'It took too long.');
      // A process that has shut down does not wait for a notify that hangs.
      await Deadline.after(NOTIFY_TIMEOUT_MS).limit(notified, tooLong, { keepsAlive: false });
      return true;
    } catch (error) {
      this.logger.warn(
        `The notice about token ${token.id} will be sent again, because notify failed: ${String(error)}`,
      );
      return false;
    }
  }
}
