import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { BackgroundTask } from '../common/background-task.js';
import { Clock } from '../common/clock.js';
import { MAX_IP_LENGTH, storableText } from '../common/storable-text.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { ApiTokenRow } from '../persistence/api-token-row.js';
import { ApiTokenRepository, type TokenUse } from '../persistence/api-token.repository.js';
import type { RequestOrigin } from './verify-failure.recorder.js';

const FLUSH_INTERVAL_MS = 2000;
/** Distinct tokens that wait for one flush; uses beyond it are noted the next time. */
const MAX_PENDING = 50_000;
const MAX_PER_STATEMENT = 5000;

/**
 * Notes when tokens were last used, off the path of the request: collected in memory and written in bulk. A process that
 * is killed loses at most one interval.
 */
@Injectable()
export class LastUsedRecorder implements BeforeApplicationShutdown, OnApplicationShutdown {
  private pending = new Map<string, TokenUse>();
  private readonly flushing: BackgroundTask;
  private readonly threshold: number;

  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly clock: Clock,
    private readonly tokens: ApiTokenRepository,
  ) {
    const logger = new Logger(LastUsedRecorder.name);
    this.threshold = config.apiTokens.activityUpdateThreshold;
    this.flushing = new BackgroundTask(
      FLUSH_INTERVAL_MS,
      () => this.write(),
      (error) => logger.warn(`Last use of some tokens was not noted: ${String(error)}`),
    );
  }

  record(token: ApiTokenRow, origin: RequestOrigin): void {
    const at = this.clock.now();
    const last = token.last_used_at;
    if (last && at.getTime() - last.getTime() < this.threshold * 1000) return;
    if (this.pending.size >= MAX_PENDING && !this.pending.has(token.id)) return;
    const { ipAddress } = origin;
    const ip = ipAddress === undefined ? null : storableText(ipAddress, MAX_IP_LENGTH);
    this.pending.set(token.id, { id: token.id, at, ip });
    this.flushing.request();
  }

  /** Writes what has been collected. */
  flush(): Promise<void> {
    return this.flushing.run();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.flush();
  }

  /** Once more: requests that were under way have ended by now. */
  async onApplicationShutdown(): Promise<void> {
    await this.flush();
  }

  private async write(): Promise<void> {
    const uses = [...this.pending.values()];
    this.pending = new Map();
    for (let start = 0; start < uses.length; start += MAX_PER_STATEMENT) {
      await this.tokens.recordUses(uses.slice(start, start + MAX_PER_STATEMENT), this.threshold);
    }
  }
}
