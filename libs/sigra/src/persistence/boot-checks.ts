import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { Clock, MAX_TIME, replacedTime } from '../common/clock.js';
import { SigraConfigError } from '../config/sigra-config-error.js';
import { clockDifference, DATABASE_TIME, TOLERATED_CLOCK_DIFFERENCE } from './clock-difference.js';
import { seconds } from './columns.js';
import { SigraDatabase } from './sigra-database.js';

/** The one that has the most digits. */
const LAST_TIME = new Date(MAX_TIME).toISOString();

/**
 * Looks at boot for settings around the database that are harmless until the day of an outage. It warns about those that
 * delay requests, and refuses those by which a change would be reported as safe that a fail-over loses, or times be wrong.
 */
@Injectable()
export class BootChecks implements OnModuleInit {
  private readonly logger = new Logger(BootChecks.name);

  constructor(
    private readonly database: SigraDatabase,
    private readonly clock: Clock,
  ) {}

  /** @throws SigraConfigError */
  async onModuleInit(): Promise<void> {
    await this.assertSettings();
    if (!hasConnectionTimeout(this.database.dataSource)) {
      this.logger.warn(
        'The DataSource has no connection timeout: while the database accepts no connections, callers wait forever, also ' +
          'after it has recovered. Set connectTimeoutMS: 2000',
      );
    }
    const difference = await this.clockDifference();
    if (difference !== undefined && Math.abs(difference) > TOLERATED_CLOCK_DIFFERENCE) {
      this.logger.warn(
        `The clock of this machine is ${Math.abs(difference / 1000).toFixed(1)} s ${difference > 0 ? 'ahead of' : 'behind'} ` +
          'that of the database, so tokens expire at another time than on other machines. Synchronize the clocks (NTP)',
      );
    }
  }

  private async assertSettings(): Promise<void> {
    const found = await this.database
      .queryOne<{ level: string; time: string }>(
        `SELECT current_setting('client_min_messages') AS level, ${seconds(`'${LAST_TIME}'::timestamptz`)}::text AS time`,
        [],
      )
      // The application boots without its database, too.
      .catch(() => undefined);
    if (!found) return;
    // The only level that hides the warning by which a commit that a synchronous standby has not confirmed differs from others.
    if (found.level === 'error') {
      throw new SigraConfigError(
        'dataSource',
        'has connections with client_min_messages = error, which hides that a synchronous standby has not confirmed a commit; set it to warning, or remove it from the options of the connection, the role and the database',
      );
    }
    if (Math.round(Number(found.time) * 1000) !== MAX_TIME) {
      throw new SigraConfigError(
        'dataSource',
        'has connections that round times: before PostgreSQL 14, extra_float_digits must be 0 or more; remove it from the options of the connection, the role and the database',
      );
    }
  }

  /** In milliseconds; undefined when it is not known. */
  private async clockDifference(): Promise<number | undefined> {
    if (replacedTime(this.clock)) return undefined;
    const before = Date.now();
    try {
      const { now } = await this.database.queryOne<{ now: string }>(`SELECT ${DATABASE_TIME} AS now`, []);
      return clockDifference(before, now);
    } catch {
      // The application boots without its database, too.
      return undefined;
    }
  }
}

/** Whether callers wait for a connection for a limited time. */
export function hasConnectionTimeout({ options }: DataSource): boolean {
  const { connectTimeoutMS, extra } = options as {
    connectTimeoutMS?: number;
    extra?: { connectionTimeoutMillis?: number };
  };
  return [connectTimeoutMS, extra?.connectionTimeoutMillis].some((timeout) => timeout !== undefined && timeout > 0);
}
