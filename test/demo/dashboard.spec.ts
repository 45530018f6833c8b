import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { AuditService, CredentialService, TokenCleanupService } from 'nestjs-sigra';
import { BatchLoader } from '../../libs/sigra/src/persistence/batch-loader.js';
import { closeJwtApps, startJwtApp } from '../support/jwt-app.js';
import { DEMO_TIMEOUT, type Demo, startDemo } from '../support/demo.js';
import { root } from '../support/source.js';

jest.setTimeout(DEMO_TIMEOUT);

interface Dashboard {
  readonly panels: readonly { readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[] }[];
}

const dashboard = JSON.parse(readFileSync(`${root}docs/grafana-dashboard.json`, 'utf8')) as Dashboard;
const queries = dashboard.panels.flatMap(({ targets }) => targets);

/** The metrics and labels of a query. */
function namesIn({ expr, legendFormat }: (typeof queries)[number]): { metrics: string[]; labels: string[] } {
  const groups = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list]) => list!.split(', '));
  const matched = [...expr.matchAll(/(\w+)(?==~?"|!~?")/g)].map(([, label]) => label!);
  const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!);
  const metrics = expr.replaceAll(/by \([^)]*\)|\{[^}]*\}/g, '').match(/\bsigra_\w+/g) ?? [];
  return { metrics, labels: [...groups, ...matched, ...shown] };
}

/** Traffic of each kind, of an application in the process of the demo: their channels are the same. */
async function makeTraffic(): Promise<void> {
  const app = await startJwtApp();
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
}

describe('docs/grafana-dashboard.json', () => {
  let demo: Demo;
  let lines: string[];

  beforeAll(async () => {
    demo = await startDemo();
    await makeTraffic();
    // Sweeps run in the background.
    for (let tries = 0; tries < 100; tries++) {
      lines = (await (await fetch(`${demo.url}/metrics`)).text()).split('\n');
      if (lines.some((line) => line.startsWith('sigra_sweep_rows_total'))) break;
      await delay(100);
    }
  });
  afterAll(async () => {
    await closeJwtApps();
    await demo.stop();
  });

  it('has queries', () => {
    expect(queries.length).toBeGreaterThan(10);
  });

  it.each(queries.map((query) => [query.expr, query] as const))('names what /metrics has: %s', (_expr, query) => {
    const { metrics, labels } = namesIn(query);
    const series = lines.filter((line) => metrics.includes(line.split(/[{ ]/)[0]!));

    expect(metrics.filter((name) => !series.some((line) => line.startsWith(`${name}{`)))).toEqual([]);
    expect(labels.filter((label) => !series.some((line) => new RegExp(`[{,]${label}="`).test(line)))).toEqual([]);
    expect(metrics.length).toBeGreaterThan(0);
  });
});
