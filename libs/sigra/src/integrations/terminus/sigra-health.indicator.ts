import { Injectable } from '@nestjs/common';
import { type HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';
import { HealthProbe } from '../../maintenance/health.probe.js';

/** The part of Terminus' session that version 11 does not have. */
interface Degradable<Key extends string> {
  degraded(details: Readonly<Record<string, unknown>>): HealthIndicatorResult<Key>;
}

/**
 * The health of Sigra for `HealthCheckService` of Terminus, with the members of `HealthReport` as details. Add it to the providers
 * of a module that imports `TerminusModule`.
 *
 * @example
 * health.check([() => sigra.check('sigra')])
 */
@Injectable()
export class SigraHealthIndicator {
  constructor(
    private readonly probe: HealthProbe,
    private readonly indicators: HealthIndicatorService,
  ) {}

  /**
   * Answers within `lookupTimeout` and never rejects. Terminus 12 answers 200 for `degraded`; with Terminus 11, which does not have
   * it, the indicator is `up`, and the details tell the difference.
   *
   * @param key the name in the answer. @default 'sigra'
   */
  async check<const Key extends string = 'sigra'>(key = 'sigra' as Key): Promise<HealthIndicatorResult<Key>> {
    const { status, ...details } = await this.probe.check();
    const session = this.indicators.check(key);
    if (status === 'down') return session.down(details);
    return status === 'degraded' && isDegradable(session) ? session.degraded(details) : session.up(details);
  }
}

function isDegradable<Key extends string>(session: object): session is Degradable<Key> {
  return 'degraded' in session;
}
