import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { DEFAULT_OWNER_TYPE } from '../common/principal.js';
import { ModulesContainer } from '@nestjs/core';
import { CronJob } from 'cron';
import { SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { TokenCleanupService } from './token-cleanup.service.js';

/** The time until a run that an outage has ended is repeated. */
const RETRY_MS = 60_000;

/** The part of `SchedulerRegistry` of `@nestjs/schedule` that is used, which the application can have or not. */
interface Registry {
  doesExist(type: 'cron', name: string): boolean;
  addCronJob(name: string, job: CronJob): void;
}

/**
 * Runs clean-up according to `cleanup.schedule`, with a timer of its own: importing `ScheduleModule` here would run every job of
 * an application that imports it, too, twice. Such an application finds the job in its `SchedulerRegistry`.
 */
@Injectable()
export class CleanupSchedule implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(CleanupSchedule.name);
  private job: CronJob | undefined;
  private retrying: NodeJS.Timeout | undefined;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly cleanup: TokenCleanupService,
    private readonly modules: ModulesContainer,
  ) {}

  onApplicationBootstrap(): void {
    const { schedule } = this.config.cleanup;
    if (schedule === false) return;
    this.job = CronJob.from({
      cronTime: schedule,
      onTick: () => this.run(),
      start: true,
      // The next run does not start while one is in progress.
      waitForCompletion: true,
      // A script that uses the services ends with its work.
      unrefTimeout: true,
    });
    const registry = this.registry();
    registry?.addCronJob(this.nameIn(registry), this.job);
  }

  /** `TokenCleanupService` stops a run that is in progress: the promise of `stop` waits for all of it. */
  onApplicationShutdown(): void {
    void this.job?.stop();
    clearTimeout(this.retrying);
    this.job = undefined;
  }

  /** `sigra:cleanup`, with the type of owners unless it is `user`, and with a number if another module has this name. */
  private nameIn(registry: Registry): string {
    const { type } = this.config.users;
    const name = type === DEFAULT_OWNER_TYPE ? 'sigra:cleanup' : `sigra:cleanup:${type}`;
    let unique = name;
    for (let number = 2; registry.doesExist('cron', unique); number++) unique = `${name}:${number}`;
    return unique;
  }

  /** By name, because the application's copy of `@nestjs/schedule` decides which class it is. */
  private registry(): Registry | undefined {
    for (const { providers } of this.modules.values()) {
      for (const { name, instance } of providers.values()) {
        const registry = instance as Partial<Registry> | null | undefined;
        if (name === 'SchedulerRegistry' && typeof registry?.addCronJob === 'function') return registry as Registry;
      }
    }
    return undefined;
  }

  private async run(): Promise<void> {
    try {
      const deleted = await this.cleanup.cleanupExpiredTokens();
      const { expiredTokens, revokedTokens, refreshFamilies, refreshTokens, auditEvents, forgottenOwners } = deleted;
      this.logger.log(
        `Deleted ${expiredTokens} expired and ${revokedTokens} revoked API tokens, ${refreshFamilies} refresh families with ` +
          `${refreshTokens} refresh tokens, ${auditEvents} audit events, and all credentials of ${forgottenOwners} former owners`,
      );
    } catch (error) {
      const when = this.retry(error) ? 'in a minute' : 'at the next scheduled time';
      this.logger.error(`Clean-up failed and will run again ${when}: ${String(error)}`);
    }
  }

  /** After an outage, the next scheduled time can be a day away. @returns whether the run is repeated */
  private retry(error: unknown): boolean {
    const { job } = this;
    if (!job || !(error instanceof SigraError)) return false;
    clearTimeout(this.retrying);
    // As the schedule does, so that no two runs overlap.
    this.retrying = setTimeout(() => void job.fireOnTick(), RETRY_MS).unref();
    return true;
  }
}
