import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Clock, replacedTime } from '../common/clock.js';
import { SigraDatabase } from './sigra-database.js';

/** Milliseconds. */
const TOLERATED_CLOCK_DIFFERENCE = 1000;

/** Looks for settings around the database that are harmless until the day of an outage, and warns about them at boot. */
@Injectable()
export class BootChecks implements OnModuleInit {
  private readonly logger = new Logger(BootChecks.name);

  constructor(
    private readonly database: SigraDatabase,
    private readonly clock: Clock,
  ) {}

  async onModuleInit(): Promise<void> {
    if (!this.hasConnectionTimeout()) {
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

  private hasConnectionTimeout(): boolean {
    const { connectTimeoutMS, extra } = this.database.dataSource.options as {
      connectTimeoutMS?: number;
      extra?: { connectionTimeoutMillis?: number };
    };
    return [connectTimeoutMS, extra?.connectionTimeoutMillis].some((timeout) => timeout !== undefined && timeout > 0);
  }

  /** In milliseconds; undefined when it is not known. */
  private async clockDifference(): Promise<number | undefined> {
    if (replacedTime(this.clock)) return undefined;
    const before = Date.now();
    try {
      const { now } = await this.database.queryOne<{ now: number | string }>(
        `SELECT extract(epoch FROM clock_timestamp())::numeric * 1000 AS now`,
        [],
      );
      // The database read its clock in between.
      return (before + Date.now()) / 2 - Number(now);
    } catch {
      // The application boots without its database, too.
      return undefined;
    }
  }
}
