import { Injectable } from '@nestjs/common';
import { AuditWriter } from '../audit/audit.writer.js';
import type { Caller } from '../common/caller.js';
import { Clock } from '../common/clock.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { type ApiToken, auditEvents } from '../persistence/tables.js';
import { BackgroundRecorder } from './background.recorder.js';
import { VerifyFailureCounter } from './verify-failure.counter.js';

const { ipAddress: address, userAgent: agent } = auditEvents.columns;

/**
 * Writes the audit rows of refused tokens in the background, so that an attack causes neither a transaction nor a row per
 * request. `VerifyFailureCounter` decides which rows are due. A process that is killed loses the counts of keys that wait
 * for their next row, of up to 15 minutes; their earlier rows are written.
 */
@Injectable()
export class VerifyFailureRecorder extends BackgroundRecorder {
  private readonly counter: VerifyFailureCounter;
  private takesAll = false;

  constructor(
    @InjectSigraConfig() { users }: SigraConfig,
    private readonly clock: Clock,
    private readonly audit: AuditWriter,
  ) {
    super('Some refusals of tokens were not recorded');
    this.counter = new VerifyFailureCounter(users.type);
  }

  /** Records the refusal of a stored token. */
  recordKnown(token: ApiToken, reason: string, caller: Caller): void {
    if (!this.audit.enabled) return;
    this.counter.countKnown(token, reason, observed(caller), this.clock.now());
    this.requestWrite();
  }

  /** Records the refusal of an unknown token. */
  recordUnknown(caller: Caller): void {
    if (!this.audit.enabled) return;
    this.counter.countUnknown(observed(caller), this.clock.now());
    this.requestWrite();
  }

  /** Writes everything that is counted, also what waits for its time. */
  override flush(): Promise<void> {
    this.takesAll = true;
    return super.flush();
  }

  /** Writes the rows that are due, as the timer does. */
  flushDue(): Promise<void> {
    return super.flush();
  }

  /** `AuditWriter.logSafe` reports what fails. */
  protected readonly unwritten = 0;

  protected async write(): Promise<void> {
    const rows = this.takesAll ? this.counter.takeAll() : this.counter.takeDue(this.clock.now());
    this.takesAll = false;
    // Keys that wait need a later write, and those without refusals are forgotten by one.
    if (!this.counter.isEmpty) this.requestWrite();
    await this.audit.logSafe(
      rows.map(({ action }) => action),
      () => rows,
    );
  }
}

/** Cut now, because the rows wait: an address that a proxy forwards, and a user agent, can be as long as a header. */
function observed({ ipAddress, userAgent }: Caller): Caller {
  return {
    ipAddress: (address.encode(ipAddress ?? null) as string | null) ?? undefined,
    userAgent: (agent.encode(userAgent ?? null) as string | null) ?? undefined,
  };
}
