import { Injectable } from '@nestjs/common';
import { Clock } from '../common/clock.js';
import { detached } from '../common/detached-text.js';
import { SigraError } from '../common/sigra-error.js';
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
  private pending = new Map<string, Map<string, number>>();
  /** The counts of the present day. */
  private today = { number: NaN, counts: new Map<string, number>() };
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
    // Every request counts, so that most find their count in one step.
    if (number !== this.today.number) this.today = { number, counts: this.countsOf(dayOf(now)) };
    count(this.today.counts, tokenId, 1);
    this.requestWrite();
  }

  protected async write(): Promise<void> {
    const rows = [...this.pending].flatMap(([day, counts]) =>
      [...counts].map(([tokenId, requests]) => ({ tokenId, day, requests })),
    );
    this.pending = new Map();
    this.today = { number: NaN, counts: new Map() };
    for (let start = 0; start < rows.length; start += MAX_PER_STATEMENT) {
      try {
        await this.usage.add(rows.slice(start, start + MAX_PER_STATEMENT));
      } catch (cause) {
        const isUnwritten = cause instanceof SigraError && cause.code === 'unavailable';
        // What was not written is written later.
        const left = rows.slice(isUnwritten ? start : start + MAX_PER_STATEMENT);
        for (const { day, tokenId, requests } of left) count(this.countsOf(day), tokenId, requests);
        this.requestWrite();
        if (isUnwritten) return;
        throw cause;
      }
    }
  }

  private countsOf(day: string): Map<string, number> {
    const counts = this.pending.get(day) ?? new Map<string, number>();
    this.pending.set(day, counts);
    return counts;
  }
}

function count(counts: Map<string, number>, tokenId: string, requests: number): void {
  const counted = counts.get(tokenId);
  if (counted === undefined) counts.set(detached(tokenId), requests);
  else counts.set(tokenId, counted + requests);
}

/** The day of a time in UTC, as `2026-01-31`. */
export function dayOf(time: Date): string {
  return time.toISOString().slice(0, 10);
}
