import { Injectable } from '@nestjs/common';
import type { Caller } from '../common/caller.js';
import { Clock, CLOCK_MARGIN_SECONDS, replacedTime } from '../common/clock.js';
import { detached } from '../common/detached-text.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { ApiTokenRepository, type TokenUse } from '../persistence/api-token.repository.js';
import { type ApiToken, apiTokens } from '../persistence/tables.js';
import { BackgroundRecorder } from './background.recorder.js';

/** The most tokens that wait for one flush. Further uses are recorded at the next use. */
const MAX_PENDING = 50_000;
const MAX_PER_STATEMENT = 5000;
const { lastUsedIp } = apiTokens.columns;

/** Records when tokens were last used: once per token and `activityUpdateThreshold`, and in bulk. */
@Injectable()
export class LastUsedRecorder extends BackgroundRecorder {
  private pending = new Map<string, TokenUse>();
  private readonly threshold: number;

  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly clock: Clock,
    private readonly tokens: ApiTokenRepository,
  ) {
    super('The last use of some tokens was not recorded');
    this.threshold = config.apiTokens.activityUpdateThreshold;
  }

  /** Records a use, unless the previous one is more recent than `activityUpdateThreshold`. */
  record(token: ApiToken, caller: Caller): void {
    const at = this.clock.now();
    const last = token.lastUsedAt;
    const age = last ? (at.getTime() - last.getTime()) / 1000 : Infinity;
    // A use that a wrong clock has put far into the future must not hide those that follow.
    if (age < this.threshold && age >= -CLOCK_MARGIN_SECONDS) return;
    if (this.pending.size >= MAX_PENDING && !this.pending.has(token.id)) return;
    // Cut now: an address that a proxy forwards can be as long as a header.
    const ipAddress = lastUsedIp.encode(caller.ipAddress ?? null) as string | null;
    const id = detached(token.id);
    this.pending.set(id, { id, at, ipAddress });
    this.requestWrite();
  }

  protected get unwritten(): number {
    return this.pending.size;
  }

  protected async write(): Promise<void> {
    const uses = [...this.pending.values()];
    this.pending = new Map();
    for (let start = 0; start < uses.length; start += MAX_PER_STATEMENT) {
      try {
        await this.tokens.recordUses(
          uses.slice(start, start + MAX_PER_STATEMENT),
          this.threshold,
          replacedTime(this.clock),
        );
      } catch (cause) {
        throw new Error(`${uses.length - start} token(s): ${String(cause)}`, { cause });
      }
    }
  }
}
