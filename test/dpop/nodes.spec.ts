import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { SigraJwtService, TokenCleanupService } from 'nestjs-sigra';
import { DpopClient } from '../support/dpop-client.js';
import { type FaultyApp, startFaultyApp } from '../support/faulty-app.js';
import { closeJwtApps, JWT, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { ADAPTERS } from '../support/test-app.js';

const BASE = 'https://api.example';
const DPOP = { mode: 'optional', baseUrls: [BASE] } as const;

describe('A DPoP proof on two nodes', () => {
  let nodes: [JwtApp, JwtApp];
  let client: DpopClient;
  let accessToken: string;

  beforeAll(async () => {
    const first = await startJwtApp({ dpop: DPOP, check: 'stateless' });
    const { databaseUrl, clock } = first;
    const second = await startJwtApp({ dpop: DPOP, check: 'stateless' }, { databaseUrl, clock, adapter: 'fastify' });
    nodes = [first, second];
    client = new DpopClient(() => clock.now());
    const binding = { dpopThumbprint: client.thumbprint };
    ({ accessToken } = await first.jwt.generateTokens(first.user, ['admin'], {}, binding));
  });
  afterAll(closeJwtApps);

  const ask = (node: JwtApp, headers: Record<string, string>) => fetch(`${node.url}/notes/optional`, { headers });
  const headers = () => client.headers('GET', `${BASE}/notes/optional`, accessToken);
  const rows = async () => {
    const [row] = await nodes[0].dataSource.query<{ count: string }[]>('SELECT count(*) FROM sigra_dpop_proofs');
    return Number(row?.count);
  };

  it('is accepted by the first one only', async () => {
    const proof = headers();

    const [first, second] = [await ask(nodes[0], proof), await ask(nodes[1], proof)];

    expect([first.status, second.status]).toEqual([200, 401]);
    expect(await second.json()).toMatchObject({ error: 'invalid_dpop_proof', message: 'The proof was used before.' });
  });

  it('is accepted by one of both at the same time, in batches that overlap', async () => {
    const proofs = Array.from({ length: 30 }, headers);

    const statuses = await Promise.all(
      proofs.map(async (proof) => {
        const answers = await Promise.all(nodes.map((node) => ask(node, proof)));
        return answers.map(({ status }) => status).sort();
      }),
    );

    expect(statuses).toEqual(proofs.map(() => [200, 401]));
  });

  it('is forgotten when no node accepts it any more, by the next requests and by clean-up', async () => {
    await ask(nodes[0], headers());
    const before = await rows();
    nodes[0].clock.advance({ seconds: 3661 });

    const { accessToken: fresh } = await nodes[0].jwt.generateTokens(
      nodes[0].user,
      ['admin'],
      {},
      { dpopThumbprint: client.thumbprint },
    );
    const answer = await ask(nodes[0], client.headers('GET', `${BASE}/notes/optional`, fresh));

    expect(answer.status).toBe(200);
    expect(await rows()).toBe(before - 2 + 1);
    nodes[0].clock.advance({ hours: 3 });
    await nodes[1].get(TokenCleanupService).cleanupExpiredTokens();
    expect(await rows()).toBe(0);
  });

  it('finds expired proofs by their index', async () => {
    const { dataSource } = nodes[0];
    await dataSource.query(
      `INSERT INTO sigra_dpop_proofs SELECT sha256(n::text::bytea), now() + interval '1 hour' FROM generate_series(1, 20000) n`,
    );
    await dataSource.query('ANALYZE sigra_dpop_proofs');

    const plan = await dataSource.query<Record<string, string>[]>(
      `EXPLAIN SELECT proof_hash FROM sigra_dpop_proofs WHERE expires_at <= (SELECT coalesce(NULL::timestamptz, clock_timestamp()))
       ORDER BY expires_at LIMIT 2 * cardinality('{a}'::text[]) FOR UPDATE SKIP LOCKED`,
    );

    expect(plan.map((row) => row['QUERY PLAN']).join('\n')).toMatch(/Index Cond: \(expires_at <=/);
  });
});

describe.each(ADAPTERS)('A DPoP proof with the database silent, on %s', (adapter) => {
  let test: FaultyApp;
  let client: DpopClient;
  let accessToken: string;

  beforeAll(async () => {
    // Nothing but the proof needs the database.
    const jwt = { ...JWT, check: 'stateless', dpop: DPOP } as const;
    test = await startFaultyApp(adapter, { sigra: { jwt, controllers: { scopes: 'scopes' } } });
    client = new DpopClient();
    const service = test.host.app.get(SigraJwtService);
    const binding = { dpopThumbprint: client.thumbprint };
    ({ accessToken } = await service.generateTokens(test.sound.user, ['admin'], {}, binding));
  });
  afterEach(() => test.proxy.speak());
  afterAll(() => test.close());

  const ask = () => fetch(`${test.host.url}/scopes`, { headers: client.headers('GET', `${BASE}/scopes`, accessToken) });

  it('is answered with 503', async () => {
    const before = await ask();
    test.proxy.silence();

    const answer = await ask();

    expect(before.status).toBe(200);
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await answer.json()).toMatchObject({ error: 'unavailable' });
  });
});
