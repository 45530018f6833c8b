import { describe, expect, it } from '@jest/globals';
import type { HealthIndicatorService } from '@nestjs/terminus';
import type { HealthProbe, HealthReport } from '../../maintenance/health.probe.js';
import { SigraHealthIndicator } from './sigra-health.indicator.js';

const REPORT: HealthReport = {
  status: 'up',
  database: 'reachable',
  migrations: 'complete',
  clockDifference: 0,
  cleanup: 'on_time',
};

/** The sessions of Terminus 11 have no `degraded`. */
const terminus11 = {
  check: (key: string) => ({
    up: (details: object) => ({ [key]: { status: 'up', ...details } }),
    down: (details: object) => ({ [key]: { status: 'down', ...details } }),
  }),
} as unknown as HealthIndicatorService;

const indicatorOf = (report: Partial<HealthReport>) => {
  const probe = { check: () => Promise.resolve({ ...REPORT, ...report }) } as unknown as HealthProbe;
  return new SigraHealthIndicator(probe, terminus11);
};

describe('SigraHealthIndicator with Terminus 11', () => {
  it.each<[HealthReport['status'], Partial<HealthReport>, string]>([
    ['up', {}, 'up'],
    ['degraded', { cleanup: 'overdue' }, 'up'],
    ['down', { database: 'unreachable', migrations: 'unknown', clockDifference: null, cleanup: 'unknown' }, 'down'],
  ])('answers for %s with the details, as %p says', async (status, changes, shown) => {
    const { status: _status, ...details } = { ...REPORT, ...changes };

    const result = await indicatorOf({ status, ...changes }).check();

    expect(result).toEqual({ sigra: { status: shown, ...details } });
  });

  it('answers with the name that it is given', async () => {
    expect(await indicatorOf({}).check('tokens')).toHaveProperty('tokens.status', 'up');
  });
});
