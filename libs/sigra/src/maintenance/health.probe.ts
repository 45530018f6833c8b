import { Injectable, Logger } from '@nestjs/common';
import { Deadline } from '../common/deadline.js';
import { isOutage, reasonOf, SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { SigraConfigError } from '../config/sigra-config-error.js';
import { TOLERATED_CLOCK_DIFFERENCE } from '../persistence/clock-difference.js';
import { HealthRepository } from '../persistence/health.repository.js';
import { SchemaCheck } from '../persistence/schema.check.js';
import { isOverdue, keptAfterRotation } from './overdue.js';

/** The health of Sigra in this process. It contains no secrets, names, addresses or messages of errors. */
export interface HealthReport {
  /**
   * `down`: no credential can be verified. `degraded`: all requests are served, but the clock or clean-up needs attention.
   */
  readonly status: 'up' | 'degraded' | 'down';
  /** `unreachable`: it does not answer within `lookupTimeout`. `failing`: it answers with an error. */
  readonly database: 'reachable' | 'unreachable' | 'failing';
  /** Whether all tables, columns and valid indexes exist; looked at once a minute. `unknown` without an answer. */
  readonly migrations: 'complete' | 'incomplete' | 'unknown';
  /**
   * How far the clock of this machine is ahead of that of the database, in milliseconds; negative when it is behind. More than
   * 1,000 is `degraded`. Null without an answer.
   */
  readonly clockDifference: number | null;
  /** `overdue`: a token has expired that two runs of clean-up had to delete. `unknown` without an answer. */
  readonly cleanup: 'on_time' | 'overdue' | 'unknown';
}

/** So long the next callers get the same report, in milliseconds. */
const FRESH_MS = 1000;
/** The time between two looks at the tables, whose query reads many catalogs, in milliseconds. */
const SCHEMA_MS = 60_000;

/** Looks whether Sigra can work, for the health checks of a load balancer. */
@Injectable()
export class HealthProbe {
  private readonly logger = new Logger(HealthProbe.name);
  private latest: { readonly report: Promise<HealthReport>; until: number } | undefined;
  private nextSchemaCheck = 0;
  private isDown = false;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly health: HealthRepository,
    private readonly schema: SchemaCheck,
  ) {}

  /**
   * Reports the health. However many callers poll it, the database gets one query a second at most, and one more a minute, on one
   * connection. It answers within `lookupTimeout` and never rejects. The reason of `down` is in the log.
   */
  check(): Promise<HealthReport> {
    if (this.latest && performance.now() < this.latest.until) return this.latest.report;
    const latest = { report: this.look(), until: Infinity };
    this.latest = latest;
    void latest.report.then(() => {
      latest.until = performance.now() + FRESH_MS;
    });
    return latest.report;
  }

  private async look(): Promise<HealthReport> {
    try {
      const report = await Deadline.after(this.config.lookupTimeout).limit(this.read());
      this.isDown = false;
      return report;
    } catch (error) {
      if (!this.isDown) this.logger.warn(`Sigra is down: ${reasonOf(error)}`);
      this.isDown = true;
      return down(error);
    }
  }

  private async read(): Promise<HealthReport> {
    await this.assertMigrated();
    const { clockDifference, now, oldestExpiry } = await this.health.read().catch((error: unknown) => {
      // A table that is gone: the next report names it.
      this.nextSchemaCheck = 0;
      throw error;
    });
    const { schedule } = this.config.cleanup;
    const overdue =
      oldestExpiry !== undefined && isOverdue(schedule, oldestExpiry, now, keptAfterRotation(this.config));
    const isApart = Math.abs(clockDifference) > TOLERATED_CLOCK_DIFFERENCE;
    return {
      status: overdue || isApart ? 'degraded' : 'up',
      database: 'reachable',
      migrations: 'complete',
      clockDifference: Math.round(clockDifference),
      cleanup: overdue ? 'overdue' : 'on_time',
    };
  }

  private async assertMigrated(): Promise<void> {
    if (performance.now() < this.nextSchemaCheck) return;
    await this.schema.assertComplete();
    this.nextSchemaCheck = performance.now() + SCHEMA_MS;
  }
}

function down(error: unknown): HealthReport {
  const isIncomplete = error instanceof SigraConfigError;
  const isUnreachable = error instanceof SigraError && isOutage(error);
  return {
    status: 'down',
    database: isIncomplete ? 'reachable' : isUnreachable ? 'unreachable' : 'failing',
    migrations: isIncomplete ? 'incomplete' : 'unknown',
    clockDifference: null,
    cleanup: 'unknown',
  };
}
