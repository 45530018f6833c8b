import { Injectable, Logger } from '@nestjs/common';
import { reasonOf } from '../common/sigra-error.js';
import {
  type AuditPartition,
  AuditPartitionRepository,
  type AuditPartitions,
} from '../persistence/audit-partition.repository.js';
import type { CleanupSteps } from './former-owner.cleaner.js';

/** The months after the present one whose partitions are made ahead. */
const MONTHS_AHEAD = 3;

/** What has become of the partitions of the audit events. */
export interface KeptPartitions {
  readonly dropped: number;
  /**
   * Those whose rows have to be deleted: the one with all earlier events and the default one, which have no beginning. Undefined for all:
   * one that has ended could not be dropped.
   */
  readonly endless: readonly AuditPartition[] | undefined;
}

/** Makes the partitions of the audit events ahead, and drops those that have ended. */
@Injectable()
export class AuditPartitionKeeper {
  private readonly logger = new Logger(AuditPartitionKeeper.name);

  constructor(private readonly partitions: AuditPartitionRepository) {}

  /**
   * @param endedAt the partitions whose events are all earlier are dropped; undefined for none
   * @returns undefined for a table without partitions
   */
  async keep(run: CleanupSteps, now: Date, endedAt: Date | undefined): Promise<KeptPartitions | undefined> {
    const found = await run.tried(() => this.partitions.find());
    if (!found) return undefined;
    if (!found.isOwned) {
      this.logger.warn(
        'Partitions of the audit events could not be made or dropped: the role needs to own the table. Run `npx sigra cleanup` with one that does',
      );
      return { dropped: 0, endless: undefined };
    }
    for (let month = 0; month <= MONTHS_AHEAD; month++) {
      const [from, to] = [firstOfMonth(now, month), firstOfMonth(now, month + 1)];
      if (!isCovered(found.all, from)) await this.attempt(run, 'made', () => this.partitions.add(found, from, to));
    }
    const hasEnded = ({ to }: AuditPartition) => endedAt !== undefined && to !== null && to <= endedAt;
    const ended = found.all.filter(hasEnded);
    let dropped = 0;
    for (const partition of ended) {
      if (await this.attempt(run, 'dropped', () => this.partitions.drop(partition))) dropped++;
    }
    const endless = found.all.filter((partition) => partition.from === null && !hasEnded(partition));
    return { dropped, endless: dropped === ended.length ? endless : undefined };
  }

  /** Nothing is lost without it: the default partition gets the events, and the next run tries again. */
  private async attempt(run: CleanupSteps, what: string, work: () => Promise<void>): Promise<boolean> {
    try {
      return (await run.tried(() => work().then(() => true))) ?? false;
    } catch (error) {
      this.logger.warn(
        `A partition of the audit events could not be ${what}: ${reasonOf(error)}. The next clean-up tries again`,
      );
      return false;
    }
  }
}

/** Whether the events of the next month have a partition. */
export function isMadeAhead({ all }: AuditPartitions, now: Date): boolean {
  return isCovered(all, firstOfMonth(now, 1));
}

function isCovered(all: readonly AuditPartition[], time: Date): boolean {
  return all.some(({ from, to }) => to !== null && to > time && (from === null || from <= time));
}

function firstOfMonth(now: Date, later: number): Date {
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + later));
}
