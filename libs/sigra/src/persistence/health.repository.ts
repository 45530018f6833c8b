import { Injectable } from '@nestjs/common';
import { Clock, replacedTime } from '../common/clock.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { clockDifference, DATABASE_TIME } from './clock-difference.js';
import { currentTime } from './columns.js';
import { SigraDatabase } from './sigra-database.js';

/** The signs of life of a database. */
export interface VitalSigns {
  /** How far this machine is ahead of the database, in milliseconds. Zero with a clock that replaces the system's. */
  readonly clockDifference: number;
  /** The time of the database. */
  readonly now: Date;
  /** The expiry of the token that clean-up deletes next; undefined when no token has expired. */
  readonly oldestExpiry: Date | undefined;
}

/**
 * Among so many expired tokens, one of this module is looked for: modules of other types of owners can have left a million rows,
 * which each call would read.
 */
const LOOKED_AT = 100;

/** Reads the signs of life of the database. */
@Injectable()
export class HealthRepository {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly database: SigraDatabase,
  ) {}

  /**
   * Reads all of them with one query, through an index.
   *
   * @throws SigraError `unavailable`
   */
  async read(): Promise<VitalSigns> {
    const replaced = replacedTime(this.clock);
    const before = Date.now();
    const row = await this.database.queryOne<{ time: string; now: string; oldest: string | null }>(
      `SELECT ${DATABASE_TIME} AS time, ${milliseconds(currentTime('$1'))} AS now, (
         SELECT ${milliseconds('min(first.expires_at)')} FROM (
           SELECT t.owner_type, t.expires_at FROM ${this.database.names.apiTokens} t
           WHERE t.revoked_at IS NULL AND t.expires_at IS NOT NULL AND t.expires_at <= ${currentTime('$1')}
           ORDER BY t.expires_at LIMIT ${LOOKED_AT}
         ) first WHERE first.owner_type = ANY ($2::text[])
       ) AS oldest`,
      [replaced, this.config.ownerTypes.map(({ type }) => type)],
    );
    return {
      clockDifference: replaced ? 0 : clockDifference(before, row.time),
      now: new Date(Number(row.now)),
      // `-infinity` becomes the beginning of the time that JavaScript has.
      oldestExpiry: row.oldest === null ? undefined : new Date(Math.max(Number(row.oldest), 0)),
    };
  }
}

function milliseconds(time: string): string {
  return `(extract(epoch FROM ${time}) * 1000)::text`;
}
