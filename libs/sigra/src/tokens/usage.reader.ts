import { Injectable } from '@nestjs/common';
import type { Caller } from '../common/caller.js';
import { MAX_TIME } from '../common/clock.js';
import { isUuid } from '../common/uuid.js';
import type { OwnerFilter } from '../persistence/owner.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { TokenUsageRepository } from '../persistence/token-usage.repository.js';
import { invalid } from './api-token.filter.js';
import { notFound } from './api-token.locker.js';
import { dayOf } from './usage.recorder.js';

/** The days to read, in UTC. */
export interface UsageRange {
  /** A time on the first day. @default the oldest day that is kept */
  readonly from?: Date | undefined;
  /** A time on the last day. @default today */
  readonly to?: Date | undefined;
}

/** The requests with a token on one day. */
export interface TokenUsage {
  /** The day in UTC, as `2026-01-31`. */
  readonly day: string;
  readonly requests: number;
}

const FIRST_DAY = new Date('0001-01-01');
const LAST_DAY = new Date(MAX_TIME);

/** Reads the counts of requests. See `ApiTokenService.usage`. */
@Injectable()
export class UsageReader {
  constructor(
    private readonly database: SigraDatabase,
    private readonly usage: TokenUsageRepository,
  ) {}

  /**
   * @param owner without an id, a token of any owner of the type
   * @throws SigraError `not_found`, `invalid_filter`
   */
  async read(
    tokenId: string,
    { from = FIRST_DAY, to = LAST_DAY }: UsageRange,
    caller: Caller,
    owner: OwnerFilter,
  ): Promise<readonly TokenUsage[]> {
    const days = [parseDay('from', from), parseDay('to', to)] as const;
    // PostgreSQL would reject a string that is not a UUID.
    if (!isUuid(tokenId)) throw notFound();
    const { left } = this.database.deadlineOf(caller);
    const rows = await this.usage.find(tokenId, owner, ...days, left);
    if (!rows) throw notFound();
    return rows.map(({ day, requests }) => ({ day, requests }));
  }
}

function parseDay(name: keyof UsageRange, time: Date): string {
  // An invalid date is neither before nor after another one.
  if (time instanceof Date && time >= FIRST_DAY && time <= LAST_DAY) return dayOf(time);
  throw invalid(`${name} is a time between the years 1 and 9999.`);
}
