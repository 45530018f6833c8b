import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { BackgroundTask, restAfter } from '../common/background-task.js';
import { awaitBriefly, Deadline } from '../common/deadline.js';
import { refuse } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { TokenNoticeOptions } from '../config/sigra-options.js';
import { BEFORE_ALL } from '../persistence/keyset.js';
import { OwnerStateReader } from '../persistence/owner-state.reader.js';
import { type DueNotice, type NoticeKind, TokenNoticeRepository } from '../persistence/token-notice.repository.js';

/** Thresholds are days, so an hour is soon enough. */
const INTERVAL_MS = 3_600_000;
/** A `notify` that takes longer has failed. Less than the time for which a claim is held. */
const NOTIFY_TIMEOUT_MS = 30_000;
const TOKENS_PER_BATCH = 1000;
/** As many calls of `notify` run at once. */
const NOTICES_PER_BATCH = 20;

/**
 * Calls `apiTokens.onExpiring.notify` and `apiTokens.onUnused.notify`, on a timer of its own: when the application starts,
 * and then every hour. Each node runs it; a notice belongs to the node that has claimed it. No connection is held while
 * `notify` runs.
 */
@Injectable()
export class TokenNoticeSender implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(TokenNoticeSender.name);
  private readonly kinds: readonly (readonly [NoticeKind, TokenNoticeOptions])[];
  private readonly sending = new BackgroundTask(
    INTERVAL_MS,
    () => this.sendAll(),
    (error) => {
      this.logger.error(
        `The next run, in an hour, sends the notices about tokens, because this failed: ${String(error)}`,
      );
    },
  );
  private isClosing = false;

  constructor(
    @InjectSigraConfig() { apiTokens: { onExpiring, onUnused } }: SigraConfig,
    private readonly notices: TokenNoticeRepository,
    private readonly owners: OwnerStateReader,
  ) {
    this.kinds = [
      ...(onExpiring ? [['expiring', onExpiring] as const] : []),
      ...(onUnused ? [['unused', onUnused] as const] : []),
    ];
  }

  onApplicationBootstrap(): void {
    if (this.kinds.length > 0) void this.send();
  }

  /** A run ends after its current batch. Any node sends the rest. */
  async onApplicationShutdown(): Promise<void> {
    this.isClosing = true;
    await awaitBriefly(this.sending.run());
    this.sending.cancel();
  }

  /** Sends all due notices, and does so again in an hour. Never rejects. */
  async send(): Promise<void> {
    await this.sending.run();
    if (!this.isClosing) this.sending.request();
  }

  private async sendAll(): Promise<void> {
    for (const [kind, options] of this.kinds) await this.sendKind(kind, options);
  }

  private async sendKind(kind: NoticeKind, { days, notify }: TokenNoticeOptions): Promise<void> {
    let after: string | null = BEFORE_ALL.id;
    while (after !== null && !this.isClosing) {
      const start = performance.now();
      const { claimId, notices, last } = await this.notices.claim(
        kind,
        days,
        after,
        TOKENS_PER_BATCH,
        NOTICES_PER_BATCH,
      );
      if (notices.length > 0) {
        const sent = await Promise.all(notices.map((notice) => this.isSent(notice, notify)));
        const sentIds = notices.filter((_notice, index) => sent[index]).map(({ token }) => token.id);
        await this.notices.settle(kind, claimId, sentIds);
      }
      // A full batch can have left some of the tokens that it looked at.
      if (notices.length < NOTICES_PER_BATCH) after = last;
      await restAfter(start);
    }
  }

  /** Contains whatever `notify` does. */
  private async isSent({ token, days }: DueNotice, notify: TokenNoticeOptions['notify']): Promise<boolean> {
    try {
      const user = await this.owners.userOf(token.ownerId);
      // An owner that is not active is told when it is active again.
      if (!user) return false;
      const notified = (async () => {
        await notify(token, { days, user });
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
