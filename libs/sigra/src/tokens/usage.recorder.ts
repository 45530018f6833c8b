import { Injectable } from '@nestjs/common';
import { Clock } from '../common/clock.js';
import { SigraError } from '../common/sigra-error.js';
import { UuidCounts } from '../common/uuid-counts.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { TokenUsageRepository } from '../persistence/token-usage.repository.js';
import { BackgroundRecorder } from './background.recorder.js';

/** A row of each token in use is written once in this time. */
const INTERVAL_MS = 60_000;
const MAX_PER_STATEMENT = 5000;
const DAY_MS = 86_400_000;

/** Counts the requests of each token and day, if `apiTokens.usage.enabled` is set. */
@Injectable()
export class UsageRecorder extends BackgroundRecorder {
  /** The counts by token id, for each day. */
  private pending = new Map<string, UuidCounts>();
  /** Those of the present day; undefined before its first request. */
  private today: { readonly number: number; readonly counts: UuidCounts } | undefined;
  private readonly isEnabled: boolean;

  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly clock: Clock,
    private readonly usage: TokenUsageRepository,
  ) {
    super('The requests of some tokens were not counted', INTERVAL_MS);
    this.isEnabled = config.apiTokens.usage.enabled;
  }

  /** Counts a request with a token. */
  record(tokenId: string): void {
    if (!this.isEnabled) return;
    const now = this.clock.now();
    const number = Math.floor(now.getTime() / DAY_MS);
    if (number !== this.today?.number) this.today = { number, counts: this.countsOf(dayOf(now)) };
    this.today.counts.add(tokenId, 1);
    this.requestWrite();
  }

  protected get unwritten(): number {
    return [...this.pending.values()].reduce((sum, { size }) => sum + size, 0);
  }

  protected async write(): Promise<void> {
    const days = [...this.pending];
    this.pending = new Map();
    this.today = undefined;
    for (const [index, [day, counts]] of days.entries()) {
      for (let start = 0; start < counts.size; start += MAX_PER_STATEMENT) {
        const rows = counts
          .slice(start, MAX_PER_STATEMENT)
          .map(({ uuid, count }) => ({ tokenId: uuid, day, requests: count }));
        try {
          await this.usage.add(rows);
        } catch (cause) {
          const isUnwritten = cause instanceof SigraError && cause.code === 'unavailable';
          // What was not written is written later.
          this.countsOf(day).addAll(counts, isUnwritten ? start : start + rows.length);
          for (const [later, others] of days.slice(index + 1)) this.countsOf(later).addAll(others, 0);
          this.requestWrite();
          if (isUnwritten) return;
          throw cause;
        }
      }
    }
  }

  private countsOf(day: string): UuidCounts {
    const counts = this.pending.get(day) ?? new UuidCounts();
    this.pending.set(day, counts);
    return counts;
  }
}

/** The day of a time in UTC, as `2026-01-31`. */
export function dayOf(time: Date): string {
  return time.toISOString().slice(0, 10);
}
