import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { DiagnosisReport } from '../../libs/sigra/src/maintenance/doctor/diagnosis.js';
import { PgBouncer, PROGRAM, SEARCHED } from '../../tools/pg-bouncer/src/pg-bouncer.js';
import { CommandLine, DATA_SOURCE } from '../support/command-line.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** The minor version of 1.21, the first that keeps prepared statements, if `max_prepared_statements` is not 0. */
const KEEPS_SINCE_MINOR = 21;
const TOKENS = 16;
const BURSTS = 20;

describe('Prepared statements through PgBouncer', () => {
  const version = execFileSync(PROGRAM, ['--version'], { env: SEARCHED, encoding: 'utf8' });
  const [, minor = 0] = (/\d+\.(\d+)/.exec(version) ?? []).map(Number);
  const keeps = minor >= KEEPS_SINCE_MINOR;
  let test: TestApp;
  let pooler: PgBouncer;

  beforeAll(async () => {
    test = await startTestApp();
    pooler = await PgBouncer.start(test.databaseUrl, { max_prepared_statements: keeps ? 100 : undefined });
  }, 60_000);
  afterEach(() => {
    jest.restoreAllMocks();
  });
  afterAll(async () => {
    await pooler.stop();
    await test.close();
  });

  it(`${keeps ? 'are kept' : 'are sent as text after one warning'}, and no request fails`, async () => {
    const issued = await Promise.all(
      Array.from({ length: TOKENS }, () => test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] })),
    );
    const options = { databaseUrl: pooler.url, clock: test.clock, poolSize: TOKENS };
    const nodes = [await startTestApp(options), await startTestApp(options)];
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);

    const statuses = new Set<number>();
    for (let burst = 0; burst < BURSTS; burst++) {
      const answers = await Promise.all(
        issued.flatMap(({ rawToken }) =>
          nodes.map(({ url }) => fetch(`${url}/notes/me`, { headers: { authorization: `Bearer ${rawToken}` } })),
        ),
      );
      for (const { status } of answers) statuses.add(status);
    }
    const names = await test.dataSource.query<unknown[]>(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%token_hash%' AND pid <> pg_backend_pid()`,
    );
    for (const node of nodes) await node.close();

    expect([...statuses]).toEqual([200]);
    expect(names.length).toBeGreaterThan(1);
    const warnings = warn.mock.calls
      .map(([text]) => String(text))
      .filter((text) => text.includes('prepared statement'));
    // Each node stops using them by itself.
    if (keeps) expect(warnings).toEqual([]);
    else expect(warnings).toEqual(nodes.map(() => expect.stringContaining('preparedStatements: false')));
  }, 120_000);

  it(`are ${keeps ? 'not ' : ''}reported by npx sigra doctor`, async () => {
    const direct = await new CommandLine(test.databaseUrl).run(['doctor', '--json', '-d', DATA_SOURCE]);
    const pooled = await new CommandLine(pooler.url).run(['doctor', '--json', '-d', DATA_SOURCE]);

    const [withoutPooler, withPooler] = [direct, pooled].map(({ stdout }) => JSON.parse(stdout) as DiagnosisReport);
    const finding = {
      code: 'connection.prepared_statements',
      remedy: expect.stringContaining('preparedStatements: false'),
    };
    expect(withoutPooler!.checked).toContain('connection.prepared_statements');
    expect(withoutPooler!.findings).not.toContainEqual(expect.objectContaining(finding));
    const expected = expect.arrayContaining([expect.objectContaining(finding)]);
    expect(withPooler!.findings).toEqual(
      keeps ? expect.not.arrayContaining([expect.objectContaining(finding)]) : expected,
    );
  }, 120_000);
});
