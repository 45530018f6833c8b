import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ADAPTERS } from '../support/test-app.js';
import { DEMO_TIMEOUT, type Demo, startDemo } from '../support/demo.js';

jest.setTimeout(DEMO_TIMEOUT);

describe.each(ADAPTERS)('operating the demo on %s', (adapter) => {
  let demo: Demo;

  const callWith = (token: string) =>
    fetch(`${demo.url}/api/projects`, { headers: { authorization: `Bearer ${token}` } });
  const count = async (metric: string, operation: string, error?: string) => {
    const metrics = await (await fetch(`${demo.url}/metrics`)).text();
    const labels = `sigra_operation="${operation}"${error ? `,error_type="${error}"` : ''},otel_scope_name="nestjs-sigra"`;
    const series = `${metric}{${labels}}`;
    return Number(
      metrics
        .split('\n')
        .find((line) => line.startsWith(series))
        ?.slice(series.length) ?? 0,
    );
  };

  beforeAll(async () => {
    demo = await startDemo({ HTTP_ADAPTER: adapter });
  });
  afterAll(() => demo.stop());

  it('counts Sigra’s operations by outcome', async () => {
    const verified = await count('sigra_verifications_total', 'api_token.verify');
    const refused = await count('sigra_verifications_total', 'api_token.verify', 'invalid_token');

    await callWith(demo.token);
    await callWith(demo.token.replace(/.$/, (last) => (last === '0' ? '1' : '0')));

    expect(await count('sigra_verifications_total', 'api_token.verify')).toBe(verified + 1);
    expect(await count('sigra_verifications_total', 'api_token.verify', 'invalid_token')).toBe(refused + 1);
    expect(await count('sigra_operation_duration_count', 'api_token.create')).toBe(4);
  });

  it('serves metrics as Prometheus text', async () => {
    const answer = await fetch(`${demo.url}/metrics`);

    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(await answer.text()).toContain('# TYPE sigra_operation_duration histogram');
  });

  it('is healthy while its database answers', async () => {
    const answer = await fetch(`${demo.url}/health`);

    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({
      status: 'up',
      database: 'reachable',
      migrations: 'complete',
      clockDifference: expect.any(Number),
      cleanup: 'on_time',
    });
  });
});
