import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { CronJob } from 'cron';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { TokenCleanupService } from './token-cleanup.service.js';

const JOB_NAME = 'sigra:cleanup';

/** Runs clean-up according to `cleanup.schedule`, as the job `sigra:cleanup` of Nest's scheduler. */
@Injectable()
export class CleanupSchedule implements OnApplicationBootstrap {
  private readonly logger = new Logger(CleanupSchedule.name);

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly scheduler: SchedulerRegistry,
    private readonly cleanup: TokenCleanupService,
  ) {}

  onApplicationBootstrap(): void {
    const { schedule } = this.config.cleanup;
    if (schedule === false) return;
    const job = CronJob.from({
      cronTime: schedule,
      onTick: () => this.run(),
      start: true,
      // The next run does not start while one is in progress.
      waitForCompletion: true,
    });
    this.scheduler.addCronJob(JOB_NAME, job);
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
      this.logger.error(`Clean-up failed and will run again at the next scheduled time: ${String(error)}`);
    }
  }
}
