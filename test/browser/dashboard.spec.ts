import { channel } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { AuditService, CredentialService, TokenCleanupService } from 'nestjs-sigra';
import { BatchLoader } from '../../libs/sigra/src/persistence/batch-loader.js';
import { DEMO_TIMEOUT, type Demo, startDemo } from '../support/demo.js';
import { eventually } from '../support/eventually.js';
import { closeJwtApps, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { Prometheus } from '../support/prometheus.js';
import { root } from '../support/source.js';

jest.setTimeout(DEMO_TIMEOUT);

/** The range of rates, which Grafana works out from the pause between scrapes. */
const RATE_INTERVAL = '30s';

interface Dashboard {
  readonly panels: readonly { readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[] }[];
}

const dashboard = JSON.parse(readFileSync(`${root}docs/grafana-dashboard.json`, 'utf8')) as Dashboard;
const queries = dashboard.panels.flatMap(({ targets }) =>
  targets.map(({ expr, legendFormat }) => ({
    query: expr.replaceAll('$__rate_interval', RATE_INTERVAL),
    labels: [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!),
  })),
);

/** Traffic of each kind, of an application in the process of the demo: their channels are the same. */
async function makeTraffic(app: JwtApp): Promise<void> {
  const { rawToken } = await app.tokens.create(app.user, { name: 'CI', scopes: ['read:notes'] });
  const { accessToken, refreshToken } = await app.jwt.generateTokens(app.user, ['read:notes']);
  for (const each of [rawToken, accessToken, `${rawToken}x`]) await app.present(each);
  await app.jwt.refresh(refreshToken);
  await app.jwt.refresh(refreshToken).catch(() => undefined);
  await app.get(AuditService).log('host.event', { metadata: { self: 10n } });
  await app.get(CredentialService).lockOut(app.user);
  await app.get(TokenCleanupService).cleanupExpiredTokens();
  const loader = new BatchLoader({ name: 'owner', load: () => Promise.resolve(new Map()), timeout: 100, maxQueued: 0 });
  await loader.load('refused').catch(() => undefined);
  channel('sigra:standby:read').publish({ standby: 'standby:5432', outcome: 'proven' });
  channel('sigra:cleanup:owners_kept').publish({ ownerType: 'user', reason: 'no_owner_exists' });
}

describe('Each query of docs/grafana-dashboard.json, in Prometheus', () => {
  let demo: Demo;
  let prometheus: Prometheus;

  beforeAll(async () => {
    demo = await startDemo();
    const app = await startJwtApp();
    prometheus = await Prometheus.start(demo.url);
    // A rate needs two samples of every series.
    await eventually(async () => {
      await makeTraffic(app);
      const [swept] = await prometheus.query('count_over_time(sigra_sweep_rows_total[1m]) >= 2');
      return swept !== undefined;
    });
  });
  afterAll(async () => {
    await prometheus.stop();
    await closeJwtApps();
    await demo.stop();
  });

  it.each(queries)('has a result with the labels of its legend: $query', async ({ query, labels }) => {
    const series = await prometheus.query(query);

    const missing = labels.filter((label) => !series.some(({ metric }) => metric[label]));

    expect(series.length).toBeGreaterThan(0);
    expect(missing).toEqual([]);
  });

  it('counts what happened', async () => {
    const series = await prometheus.query(queries[0]!.query);

    const [verified] = series.filter(
      ({ metric }) => metric.sigra_operation === 'api_token.verify' && !metric.error_type,
    );

    expect(Number(verified?.value[1])).toBeGreaterThan(0);
  });
});
