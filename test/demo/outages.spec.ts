import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { INestApplication } from '@nestjs/common';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { createApp } from '../../apps/demo/src/create-app.js';
import { prepareDatabase } from '../../apps/demo/src/database/prepare-database.js';
import { StartTokensService } from '../../apps/demo/src/welcome/start-tokens.service.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { onDatabase } from '../support/database.js';
import { DEMO_TIMEOUT } from '../support/demo.js';
import { PostgresCluster } from '../support/postgres-cluster.js';
import { ADAPTERS } from '../support/test-app.js';
import { Visitor } from '../support/visitor.js';

jest.setTimeout(DEMO_TIMEOUT);

const PASSWORDS = { email: 'ada@example.com', password: 'sigra-demo' };
const TERMINATE = `
  SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`;

describe.each(ADAPTERS)('outages in the handlers of the demo, on %s', (adapter) => {
  let cluster: PostgresCluster;
  let proxy: DatabaseProxy;
  let app: INestApplication<Server>;
  let url: string;
  let token: string;
  let ada: Visitor;

  beforeAll(async () => {
    cluster = await PostgresCluster.start({ max_connections: '20', superuser_reserved_connections: '0' });
    const secret = await prepareDatabase(cluster.url);
    proxy = await DatabaseProxy.start(cluster.url);
    const jwt = { enabled: true, issuer: 'https://demo.example', audience: 'api', secret } as const;
    app = await createApp({ databaseUrl: proxy.url, jwt }, adapter);
    app.useLogger(false);
    await app.listen(0, '127.0.0.1');
    url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
    token = (await app.get(StartTokensService).issue('outages')).demo;
  });
  afterAll(async () => {
    await app.close();
    await proxy.stop();
    await cluster.dispose();
  });
  beforeEach(async () => {
    proxy.speak();
    await cluster.revive();
    // Connections that the test before has broken are noticed, and replaced.
    await expect(list().then(({ status }) => status)).resolves.toBe(200);
    ada = await new Visitor(url).signIn();
  });

  const authorization = () => ({ authorization: `Bearer ${token}` });
  const json = { 'content-type': 'application/json' };
  const list = () => fetch(`${url}/api/projects`, { headers: authorization() });
  const create = () =>
    fetch(`${url}/api/projects`, {
      method: 'POST',
      headers: { ...authorization(), ...json },
      body: JSON.stringify({ name: 'Harbour' }),
    });
  const signIn = () => fetch(`${url}/session`, { method: 'POST', headers: json, body: JSON.stringify(PASSWORDS) });
  const page = () => ada.get('/settings/audit');
  const terminate = () => onDatabase(cluster.url, (client) => client.query(TERMINATE));

  async function expectUnavailable(answer: Response): Promise<void> {
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
    if (answer.headers.get('content-type')?.includes('json')) {
      expect(await answer.json()).toMatchObject({ statusCode: 503, message: 'The database did not answer.' });
    }
  }

  describe.each([
    ['terminates the backend', terminate],
    ['stops fast', () => cluster.stop('fast')],
    ['stops immediately', () => cluster.stop('immediate')],
    ['is killed', () => cluster.stop('kill')],
  ])('when the server %s', (_what, fail) => {
    it.each([
      ['a query', list, 'demo_projects'],
      ['a statement of a transaction', create, 'INSERT INTO "demo_projects"'],
      ['an audit event of a transaction', create, 'INSERT INTO "public"."sigra_audit_events"'],
      ['a query without a guard', signIn, 'demo_users'],
      ['a query of the session store', page, 'SELECT sess FROM'],
    ])('before %s, answers 503', async (_which, request, text) => {
      proxy.before(text, async () => {
        await fail();
      });

      await expectUnavailable(await request());
    });
  });

  it('answers 503 to a transaction that was idle for too long', async () => {
    await onDatabase(cluster.url, (client) =>
      client.query('ALTER DATABASE postgres SET idle_in_transaction_session_timeout = 1'),
    );
    try {
      await terminate();
      await list();
      proxy.before('INSERT INTO "demo_projects"', () => delay(50));

      await expectUnavailable(await create());
    } finally {
      await onDatabase(cluster.url, (client) =>
        client.query('ALTER DATABASE postgres RESET idle_in_transaction_session_timeout'),
      );
      await terminate();
    }
  });

  it('answers 503 while the server has no free connection', async () => {
    await terminate();
    const clients = Array.from({ length: 20 }, () => new pg.Client(cluster.url));
    const connected = await Promise.allSettled(clients.map((client) => client.connect()));
    expect(connected.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(10);

    const answers = await Promise.all([signIn(), signIn(), page(), list()]);

    await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
    for (const answer of answers) await expectUnavailable(answer);
  });

  it('answers 503 while the name of the server cannot be resolved', async () => {
    const { options } = (app.get(DataSource).driver as unknown as { master: { options: pg.PoolConfig } }).master;
    const { connectionString, host } = options;
    const unknown = Object.assign(new URL(proxy.url), { hostname: 'database.invalid' });
    await terminate();
    Object.assign(options, { connectionString: unknown.href, host: unknown.hostname });

    const answers = await Promise.all([signIn(), list()]);

    Object.assign(options, { connectionString, host });
    for (const answer of answers) await expectUnavailable(answer);
  });

  it('answers 503 while the server refuses connections', async () => {
    await proxy.cut();

    const answers = await Promise.all([signIn(), page(), list()]);

    await proxy.mend();
    for (const answer of answers) await expectUnavailable(answer);
  });

  it('does not ask to repeat a change whose COMMIT was not confirmed', async () => {
    proxy.loseAnswerTo('COMMIT');

    const answer = await create();

    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBeNull();
    expect(await answer.json()).toMatchObject({ error: 'outcome_unknown' });
  });
});
