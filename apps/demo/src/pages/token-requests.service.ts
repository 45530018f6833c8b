import { Injectable } from '@nestjs/common';
import { ApiTokenEntity, Clock, TokenUsageEntity } from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import type { User } from '../users/user.entity.js';

/** The requests with a token on each of the last days. */
export interface TokenRequests {
  readonly name: string;
  readonly serial: string;
  /** One count a day, oldest first. */
  readonly counts: readonly number[];
  readonly total: number;
}

export interface RequestsByDay {
  /** In UTC, as `2026-01-31`, oldest first. */
  readonly days: readonly string[];
  readonly counts: readonly number[];
  readonly total: number;
  /** The tokens with the most requests first. */
  readonly tokens: readonly TokenRequests[];
}

const DAYS = 14;
const DAY_MS = 24 * 60 * 60 * 1000;
const MOST_TOKENS = 10;

/**
 * Reads the counts of `apiTokens.usage` for all tokens of a user with one query. For one token, the service has
 * `ApiTokenService.usageForUser()`.
 */
@Injectable()
export class TokenRequestsService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly clock: Clock,
  ) {}

  /** Reads the requests of the last 14 days. Those of the last minute can be missing. */
  async of({ id }: User): Promise<RequestsByDay> {
    const now = this.clock.now().getTime();
    const days = Array.from({ length: DAYS }, (_, index) => dayOf(now - (DAYS - 1 - index) * DAY_MS));
    const rows = await this.dataSource
      .createQueryBuilder(ApiTokenEntity, 'token')
      .innerJoin(TokenUsageEntity.options.name, 'usage', 'usage.tokenId = token.id AND usage.day >= :from', {
        from: days[0],
      })
      .where(`token.ownerType = 'user' AND token.ownerId = :id`, { id })
      .select(['token.name AS name', `token.prefix || token.hint || '…' AS serial`])
      .addSelect(`json_object_agg(to_char(usage.day, 'YYYY-MM-DD'), usage.requests)`, 'requests')
      .groupBy('token.id')
      .getRawMany<{ name: string; serial: string; requests: Readonly<Record<string, number>> }>();
    const tokens = rows.map(({ name, serial, requests }) => {
      const counts = days.map((day) => requests[day] ?? 0);
      return { name, serial, counts, total: sum(counts) };
    });
    const counts = days.map((_, index) => sum(tokens.map((token) => token.counts[index] ?? 0)));
    const busiest = tokens.sort((a, b) => b.total - a.total).slice(0, MOST_TOKENS);
    return { days, counts, total: sum(counts), tokens: busiest };
  }
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
