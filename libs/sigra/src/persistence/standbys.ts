import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { BackgroundTask } from '../common/background-task.js';
import { SigraConfigError } from '../config/sigra-config-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { includes, POSITION, type PositionRow, positionOf, proofOf, type PrimaryPosition } from './primary-position.js';
import { standbyRead, type StandbyRead } from '../telemetry/channels.js';
import type { PreparedStatement, Row } from './prepared-statement.js';
import { pgDriverOf } from './proven-read.js';
import { SigraDatabase } from './sigra-database.js';
import { Standby, type StandbyAnswer } from './standby.js';

/** So often within a lease the primary is asked for its position, while there are reads. */
const ASKED_PER_LEASE = 4;
/** The connections to a standby; each of the reads of requests has at most two statements under way. */
const MAX_CONNECTIONS = 10;

/**
 * Reads from streaming standbys. A read counts only if its own answer proves that it sees every change that had been confirmed one
 * lease before the read began; such a change resolves no earlier. `docs/replicas.md` has the argument.
 */
@Injectable()
export class Standbys implements OnApplicationShutdown {
  private readonly logger = new Logger(Standbys.name);
  private readonly standbys: readonly Standby[];
  private readonly lease: number;
  /** Those of the last lease, with the oldest first. */
  private positions: readonly PrimaryPosition[] = [];
  private turn = 0;
  private readonly problems = new Map<Standby, string>();
  private readonly asking: BackgroundTask;
  private isAsking = false;

  constructor(
    @InjectSigraConfig() { replicas, preparedStatements }: SigraConfig,
    private readonly database: SigraDatabase,
  ) {
    const { urls = [], leaseMilliseconds = 0 } = replicas ?? {};
    this.lease = leaseMilliseconds;
    this.asking = new BackgroundTask(
      leaseMilliseconds / ASKED_PER_LEASE,
      () => this.ask(),
      // The positions grow old, so that reads use the primary.
      () => undefined,
    );
    const driver = urls.length > 0 ? pgDriverOf(database.dataSource) : undefined;
    if (urls.length > 0 && !driver) {
      throw new SigraConfigError('replicas.urls', 'needs the driver "pg" in JavaScript, without pg-native');
    }
    const proof = proofOf(database.names.owners);
    this.standbys = driver
      ? urls.map((url) => {
          const options = { ...connectionOptions(database), connectionString: url, max: MAX_CONNECTIONS };
          return new Standby(new URL(url).host, driver, options, this.lease, preparedStatements, proof);
        })
      : [];
  }

  /** Whether the application has standbys. */
  get areConfigured(): boolean {
    return this.standbys.length > 0;
  }

  /** The longest time until a read that no standby answers is left to the primary, in milliseconds. */
  get patience(): number {
    return this.areConfigured ? this.lease : 0;
  }

  /** Whether a standby is likely to answer now. Call it once for each read: it keeps the position of the primary up to date. */
  isLikely(): boolean {
    if (!this.areConfigured) return false;
    // Not while the primary leaves it without an answer.
    if (!this.isAsking) this.asking.request();
    const [oldest] = this.current();
    return oldest !== undefined && this.standbys.some((standby) => isUsable(standby, oldest));
  }

  /**
   * Runs a SELECT at a standby.
   *
   * @returns undefined when no standby answered in time, or its answer does not prove that it is current: ask the primary
   */
  async read<R extends object = Row>(
    statement: PreparedStatement,
    values: readonly unknown[],
  ): Promise<R[] | undefined> {
    // Before the statement is sent, and after all of its callers have begun: what resolved before them was confirmed one lease
    // before this time.
    const [oldest] = this.current();
    const standby = oldest && this.next(oldest);
    if (!standby) return undefined;
    try {
      const answer = await standby.read(statement, values, oldest);
      this.learn(standby, answer);
      this.publish(standby, answer.rows ? 'proven' : 'unproven');
      return answer.rows as R[] | undefined;
    } catch (error) {
      this.publish(standby, 'failed');
      this.report(standby, `it failed: ${String(error)}`);
      return undefined;
    }
  }

  async onApplicationShutdown(): Promise<void> {
    this.asking.cancel();
    await Promise.allSettled(this.standbys.map((standby) => standby.close()));
  }

  /** The positions that can prove a read that begins now. By both clocks, because one of them stops while a machine is suspended. */
  private current(): readonly PrimaryPosition[] {
    const [since, wallSince] = [performance.now() - this.lease, Date.now() - this.lease];
    const isCurrent = ({ at, wallAt }: PrimaryPosition) => at >= since && wallAt >= wallSince;
    if (!this.positions.every(isCurrent)) this.positions = this.positions.filter(isCurrent);
    return this.positions;
  }

  private next(oldest: PrimaryPosition): Standby | undefined {
    const usable = this.standbys.filter((standby) => isUsable(standby, oldest));
    return usable[this.turn++ % Math.max(usable.length, 1)];
  }

  /** Asks the primary for its position, and the standbys that no read has shown to be current. */
  private async ask(): Promise<void> {
    this.isAsking = true;
    const [at, wallAt] = [performance.now(), Date.now()];
    const [row] = await this.database.read<PositionRow>(POSITION, []).finally(() => (this.isAsking = false));
    if (!row) return;
    const position = positionOf(row, at, wallAt);
    this.positions = [...this.current(), position];
    const [oldest = position] = this.current();
    const since = at - (2 * this.lease) / ASKED_PER_LEASE;
    for (const standby of this.standbys) {
      if (standby.reachedAt < since && !standby.isResting) void this.probe(standby, oldest);
    }
  }

  private async probe(standby: Standby, position: PrimaryPosition): Promise<void> {
    try {
      this.learn(standby, await standby.probe(position));
    } catch (error) {
      this.report(standby, `it failed: ${String(error)}`);
    }
  }

  private learn(standby: Standby, { replayed, problem }: StandbyAnswer): void {
    if (problem !== undefined) {
      standby.reachedAt = -Infinity;
      this.report(standby, problem);
      return;
    }
    const reached = this.positions.findLast(({ lsn }) => replayed !== null && includes(replayed, lsn));
    if (!reached) return;
    standby.reachedAt = Math.max(standby.reachedAt, reached.at);
    if (this.problems.delete(standby)) this.logger.log(`Reads from the standby ${standby.name} again`);
  }

  private publish({ name }: Standby, outcome: StandbyRead['outcome']): void {
    if (standbyRead.hasSubscribers) standbyRead.publish({ standby: name, outcome } satisfies StandbyRead);
  }

  /** Once for each time that a standby fails. */
  private report(standby: Standby, problem: string): void {
    if (this.problems.has(standby)) return;
    this.problems.set(standby, problem);
    this.logger.warn(`Does not read from the standby ${standby.name}: ${problem}`);
  }
}

/** A guess, which saves statements whose answer would prove nothing: it is behind, or does not answer. */
function isUsable(standby: Standby, oldest: PrimaryPosition): boolean {
  return standby.reachedAt >= oldest.at && !standby.isResting;
}

/** What the connections to a standby have in common with those to the primary. The URL decides where it says something else. */
function connectionOptions({ dataSource: { options } }: SigraDatabase): Readonly<Record<string, unknown>> {
  const { extra, ssl, applicationName } = options as {
    extra?: Readonly<Record<string, unknown>>;
    ssl?: unknown;
    applicationName?: string;
  };
  return {
    ...extra,
    ...(ssl !== undefined && { ssl }),
    ...(applicationName !== undefined && { application_name: applicationName }),
  };
}
