import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { BATCH_TIMEOUT_MS } from '../common/background-task.js';
import { Clock, replacedTime } from '../common/clock.js';
import type { TokenKinds } from '../common/token-kinds.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { currentTime } from './columns.js';
import { endSql, expirySql } from './token-expiry.js';
import { currentEpoch } from './owner.repository.js';
import { OwnerDirectories } from './owner-directories.js';
import { literal } from './qualified-names.js';
import { SigraDatabase } from './sigra-database.js';
import { type ApiToken, apiTokens, type tokenNotices } from './tables.js';
import type { RowOf } from './packed-row.js';

/** What a notice is about. */
export type NoticeKind = RowOf<typeof tokenNotices.columns>['kind'];

/** A token whose owner is to be told. */
export interface DueNotice {
  readonly token: ApiToken;
  /** The nearest threshold that the token has passed, in days. */
  readonly days: number;
}

/** Notices that this node sends. */
export interface ClaimedNotices {
  readonly claimId: string;
  readonly notices: readonly DueNotice[];
  /** The id of the last token that was looked at; null when there was none. */
  readonly last: string | null;
  /** Seconds until notices of these tokens that are unsent can be claimed; null when there is none. */
  readonly wait: number | null;
}

/** How long a node has a claim, in seconds: longer than it sends one batch. Afterwards, any node sends its notices again. */
const CLAIM_SECONDS = 300;
/** The first of the times until a failed notice is sent again, in seconds. Each is twice the one before. */
const RETRY_SECONDS = 1800;
const LONGEST_RETRY_SECONDS = 86_400;

/** SQL of the token `t` at the time `$1`, and of a threshold of so many seconds. */
interface NoticeRule {
  /** The time that the notice is about. With another time, the thresholds begin again. */
  readonly about: string;
  readonly isReached: (about: string, seconds: string) => string;
  /** The aggregate of the reached threshold that is the nearest. */
  readonly nearest: 'min' | 'max';
  readonly isNearer: '<' | '>';
}

/** @param expiry SQL of the time at which the token `t` expires */
function rulesOf(expiry: string): Readonly<Record<NoticeKind, NoticeRule>> {
  return {
    expiring: {
      about: expiry,
      isReached: (about, seconds) => `${about} <= clock.now + make_interval(secs => ${seconds})`,
      nearest: 'min',
      isNearer: '<',
    },
    unused: {
      about: 'coalesce(t.last_used_at, t.created_at)',
      isReached: (about, seconds) => `${about} <= clock.now - make_interval(secs => ${seconds})`,
      nearest: 'max',
      isNearer: '>',
    },
  };
}

/**
 * Reads and writes `sigra_token_notices`: which owners were told that a token expires or is not used. All times are those of the
 * database.
 */
@Injectable()
export class TokenNoticeRepository {
  private readonly isActive: string;
  private readonly rules: Readonly<Record<NoticeKind, NoticeRule>>;
  private readonly kinds: TokenKinds;

  constructor(
    @InjectSigraConfig() { apiTokens: rules }: SigraConfig,
    private readonly clock: Clock,
    private readonly database: SigraDatabase,
    directories: OwnerDirectories,
  ) {
    this.kinds = rules.kinds;
    const current = currentEpoch(database.names.owners, 'token_epoch', 't.owner_type', 't.owner_id');
    // Each use would move the end by idleTtl, so that the thresholds begin again.
    this.rules = rulesOf(endSql('t', rules));
    // A replaced token ends by its rotation, and a least of nulls is null.
    this.isActive = `${directories.isKnown('t.owner_type')} AND t.revoked_at IS NULL AND t.replaced_by IS NULL
      AND t.prefix IN (${rules.kinds.storedPrefixes.map(literal).join(', ')})
      AND coalesce(${expirySql('t', rules)} > clock.now, true) AND t.token_epoch = ${current}`;
  }

  /**
   * Claims up to `limit` due notices of the next `seen` tokens, in the order of their ids. Another node that looks at the same
   * tokens claims none of them.
   *
   * @param days the thresholds
   * @param after the id of the token after which it begins
   */
  async claim(
    kind: NoticeKind,
    days: readonly number[],
    after: string,
    seen: number,
    limit: number,
  ): Promise<ClaimedNotices> {
    const { apiTokens: tokens, tokenNotices: notices } = this.database.names;
    const { about, isReached, nearest, isNearer } = this.rules[kind];
    // Told of a farther threshold or of another time, or not told by the node that was to do it.
    const isDue = (
      wantedAbout: string,
      wantedDays: string,
    ) => `(n.about <> ${wantedAbout} OR ${wantedDays} ${isNearer} n.days
      OR (n.sent_at IS NULL AND n.retry_at <= (SELECT now FROM clock)))`;
    // Another node is about to send them, and perhaps further ones of these tokens.
    const isOutrun = '(SELECT count(*) FROM due) > (SELECT count(*) FROM claimed)';
    // With it, PostgreSQL reads the notices of this range of the index, and not those of all tokens.
    const last = '(SELECT id FROM seen ORDER BY id DESC LIMIT 1)';
    const claimId = uuidv7();
    const rows = await this.database.transaction(
      (manager) =>
        this.database.query<{ token: string | null; days: number | string; last: string | null; wait: number | null }>(
          `WITH clock AS MATERIALIZED (SELECT ${currentTime('$1')} AS now), seen AS MATERIALIZED (
             SELECT t.id, ${about} AS about, (${this.isActive}) AS is_active
             FROM clock, ${tokens} t WHERE t.id > $2 ORDER BY t.id LIMIT $3
           ), reached AS MATERIALIZED (
             SELECT seen.id, seen.about, threshold.days, (n.token_id IS NULL OR ${isDue('seen.about', 'threshold.days')}) AS is_due,
               CASE WHEN n.sent_at IS NULL THEN n.retry_at END AS retry_at
             FROM clock, seen CROSS JOIN LATERAL (
               SELECT ${nearest}(day) AS days FROM unnest($4::int[]) AS day
               WHERE ${isReached('seen.about', 'day * 86400.0')}
             ) threshold LEFT JOIN ${notices} n ON n.token_id = seen.id AND n.kind = $6 AND n.token_id > $2 AND n.token_id <= ${last}
             WHERE seen.is_active AND threshold.days IS NOT NULL
           ), due AS MATERIALIZED (
             SELECT id, about, days FROM reached WHERE is_due ORDER BY id LIMIT $5
           ), kept AS MATERIALIZED (
             SELECT t.id FROM ${tokens} t WHERE t.id = ANY (ARRAY(SELECT id FROM due)) FOR KEY SHARE SKIP LOCKED
           ), claimed AS (
             INSERT INTO ${notices} AS n (token_id, kind, about, days, claim_id, attempts, retry_at)
             SELECT due.id, $6, due.about, due.days, $7, 1, clock.now + make_interval(secs => ${CLAIM_SECONDS})
             FROM clock, due JOIN kept USING (id) ORDER BY due.id
             ON CONFLICT (token_id, kind) DO UPDATE SET about = excluded.about, days = excluded.days, claim_id = excluded.claim_id,
               retry_at = excluded.retry_at, sent_at = NULL,
               attempts = CASE WHEN n.about = excluded.about AND n.days = excluded.days THEN n.attempts + 1 ELSE 1 END
             WHERE ${isDue('excluded.about', 'excluded.days')}
             RETURNING n.token_id, n.days
           )
           SELECT found.token, found.days, ${last} AS last, (
             SELECT least(
               CASE WHEN ${isOutrun} THEN ${CLAIM_SECONDS} END,
               extract(epoch FROM min(retry_at) - (SELECT now FROM clock))
             )::float8 FROM reached WHERE NOT is_due
           ) AS wait
           FROM (SELECT) AS one LEFT JOIN (
             SELECT ${apiTokens.packed('t')} AS token, claimed.days
             FROM claimed JOIN ${tokens} t ON t.id = claimed.token_id
           ) AS found ON true`,
          [replacedTime(this.clock), after, seen, days, limit, kind, claimId],
          manager,
        ),
      BATCH_TIMEOUT_MS,
      { settles: false },
    );
    const due = rows.flatMap(({ token, days }) =>
      token === null ? [] : [{ token: this.kinds.label(apiTokens.unpack(token)), days: Number(days) }],
    );
    return { claimId, notices: due, last: rows[0]?.last ?? null, wait: rows[0]?.wait ?? null };
  }

  /**
   * Records which notices of a claim were sent. The others are sent again, after a time that grows with each attempt.
   *
   * @returns seconds until the first of them; null when all were sent
   */
  async settle(kind: NoticeKind, claimId: string, sentIds: readonly string[]): Promise<number | null> {
    const wait = `least(${RETRY_SECONDS} * 2.0 ^ least(n.attempts - 1, 16), ${LONGEST_RETRY_SECONDS})`;
    const now = currentTime('$1');
    const { wait: first } = await this.database.transaction(
      (manager) =>
        this.database.queryOne<{ wait: number | null }>(
          `WITH settled AS (
             UPDATE ${this.database.names.tokenNotices} n
             SET sent_at = CASE WHEN n.token_id = ANY ($4::uuid[]) THEN ${now} END, retry_at = ${now} + make_interval(secs => ${wait})
             WHERE n.claim_id = $2 AND n.kind = $3 AND n.sent_at IS NULL
             RETURNING n.sent_at, n.retry_at
           )
           SELECT extract(epoch FROM min(retry_at) - ${now})::float8 AS wait FROM settled WHERE sent_at IS NULL`,
          [replacedTime(this.clock), claimId, kind, sentIds],
          manager,
        ),
      BATCH_TIMEOUT_MS,
      { settles: false },
    );
    return first;
  }
}
