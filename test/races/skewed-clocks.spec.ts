import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CredentialService, type TokenResponse } from 'nestjs-sigra';
import { FakeClock } from 'nestjs-sigra/testing';
import { DpopClient } from '../support/dpop-client.js';
import { eventually } from '../support/eventually.js';
import { API, ForeignIssuer } from '../support/foreign-issuer.js';
import { type JwtApp, JWT, startJwtApp } from '../support/jwt-app.js';
import { JwtNode } from '../support/jwt-node.js';
import { type OAuthApp, startOAuthApp } from '../support/oauth-app.js';
import { refusalOf } from '../support/refusal.js';
import { ServerNode } from '../support/server-node.js';

const LEEWAY = 10;
const TEN_MINUTES = 600;

describe('Nodes whose clocks are ten minutes behind, right, and ten minutes ahead', () => {
  let test: JwtApp;
  let nodes: JwtNode[] = [];

  beforeAll(async () => {
    test = await startJwtApp();
    const start = (skew: number) =>
      JwtNode.start({ databaseUrl: test.databaseUrl, jwt: JWT, leeways: [0, LEEWAY], clock: { skew } });
    nodes = await Promise.all([-TEN_MINUTES, 0, TEN_MINUTES].map(start));
  }, 60_000);
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    await test.close();
  });

  const signIn = async () => (await test.jwt.generateTokens(test.user, ['read:notes'])).refreshToken;
  const refresh = async (node: JwtNode, token: string, leeway = LEEWAY) => (await node.refresh(leeway, [token]))[0];

  it('rotate one family in turn', async () => {
    let token = await signIn();

    for (let turn = 0; turn < 9; turn++) {
      const outcome = await refresh(nodes[turn % 3]!, token);
      expect(outcome).toMatchObject({ pair: { tokenType: 'Bearer' } });
      token = outcome!.pair!.refreshToken;
    }
  });

  it('give the same successor when a token that one of them has rotated is presented to another', async () => {
    for (const first of nodes) {
      for (const second of nodes) {
        const token = await signIn();

        const rotated = await refresh(first, token);
        const replayed = await refresh(second, token);

        expect(replayed?.pair?.refreshToken).toBe(rotated?.pair?.refreshToken);
      }
    }
  });

  it('detect the reuse of a token without a leeway', async () => {
    for (const first of nodes) {
      for (const second of nodes) {
        const token = await signIn();

        await refresh(first, token, 0);

        expect(await refresh(second, token, 0)).toEqual({ refusal: 'reuse_detected' });
      }
    }
  });
});

/** With the default of `clockTolerance`. */
describe.each(['epoch', 'family'] as const)('Nodes whose clocks are two seconds apart, with the check %s', (check) => {
  const SKEWS = [0, 2];
  const BASE = 'https://api.example';
  const now = (skew: number) => () => new Date(Date.now() + skew * 1000);
  let test: JwtApp;
  let nodes: ServerNode[] = [];
  let issuers: ForeignIssuer[] = [];

  beforeAll(async () => {
    test = await startJwtApp();
    issuers = await Promise.all(SKEWS.map((skew) => ForeignIssuer.start(now(skew))));
    nodes = await Promise.all(
      SKEWS.map((skew) =>
        ServerNode.start({
          adapter: 'express',
          databaseUrl: test.databaseUrl,
          jwt: { ...JWT, clockTolerance: undefined, check, dpop: { mode: 'optional', baseUrls: [BASE] } },
          issuers: issuers.map(({ url: issuer }) => ({ issuer, audience: API, algorithms: ['ES256'] })),
          skew,
        }),
      ),
    );
  }, 120_000);
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    await Promise.all(issuers.map((issuer) => issuer.close()));
    await test.close();
  });

  const signIn = async (node: ServerNode, headers: Record<string, string> = {}) => {
    const answer = await fetch(`${node.url}/api/jwt`, {
      method: 'POST',
      headers: { 'x-session-user': test.user.id, 'content-type': 'application/json', ...headers },
      body: '{"scopes":["read:notes"]}',
    });
    return (await answer.json()) as TokenResponse;
  };
  const present = async (node: ServerNode, headers: Record<string, string>) =>
    (await fetch(`${node.url}/me`, { headers })).status;
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

  it.each([
    ['behind', 1, 0],
    ['ahead', 0, 1],
  ])('accept fresh credentials of the other one, on the node that is %s', async (_what, from, to) => {
    const [maker, verifier] = [nodes[from]!, nodes[to]!];
    const pair = await signIn(maker);
    const client = new DpopClient(now(SKEWS[from]!));
    const bound = await signIn(maker, { dpop: client.proof('POST', `${BASE}/api/jwt`) });

    const ofOwn = await present(verifier, bearer(pair.access_token));
    const ofProof = await present(verifier, client.headers('GET', `${BASE}/me`, bound.access_token));
    const ofForeign = await present(verifier, bearer(await issuers[from]!.sign(test.user.id)));
    const refreshed = await fetch(`${verifier.url}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: pair.refresh_token }),
    });
    const { access_token: next } = (await refreshed.json()) as TokenResponse;

    expect(bound.token_type).toBe('DPoP');
    expect([ofOwn, ofProof, ofForeign, refreshed.status]).toEqual([200, 200, 200, 200]);
    expect(await present(maker, bearer(next))).toBe(200);
  });
});

describe('A node whose clock is ten minutes ahead', () => {
  let right: OAuthApp;
  let ahead: OAuthApp;

  beforeAll(async () => {
    right = await startOAuthApp({ check: 'family', accessTtl: 300 });
    const clock = new FakeClock(right.clock.now());
    clock.advance({ seconds: TEN_MINUTES });
    ahead = await startOAuthApp({ check: 'family', accessTtl: 300 }, { databaseUrl: right.databaseUrl, clock });
  });
  afterAll(async () => {
    await ahead.close();
    await right.close();
  });

  const inFiveMinutes = () => new Date(right.clock.now().getTime() + 300_000);
  const create = (user = right.user) =>
    right.tokens.create(user, { name: 'CI', scopes: ['read:notes'], expiresAt: inFiveMinutes() });

  it('revokes an API token that it takes for expired', async () => {
    const { rawToken } = await create();

    const { status } = await ahead.post('revoke', { token: rawToken });

    expect(status).toBe(200);
    expect(await refusalOf(right.tokens.verify(rawToken))).toBe('token_revoked');
  });

  it('revokes the family of an access token that it takes for expired', async () => {
    const { accessToken, refreshToken } = await right.signIn();

    const { status } = await ahead.post('revoke', { token: accessToken });

    expect(status).toBe(200);
    expect(await refusalOf(right.jwt.verifyAccess(accessToken))).toBe('token_revoked');
    expect(await refusalOf(right.jwt.refresh(refreshToken))).toBe('token_revoked');
  });

  it.each([
    ['API token', 'sigra_api_tokens', 'expires_at', 'made_by_token_id'],
    ['family', 'sigra_refresh_families', 'absolute_expires_at', 'made_by_family_id'],
  ])(
    'locks out what an owner made for another with a %s that it takes for expired',
    async (kind, table, end, maker) => {
      const [owner, other] = [
        await right.addUser(`${kind}-1@example.com`),
        await right.addUser(`${kind}-2@example.com`),
      ];
      const made = await right.tokens.create(other, { name: 'made', scopes: ['read:notes'] });
      if (kind === 'family') await right.jwt.generateTokens(owner, ['read:notes']);
      else await create(owner);
      await right.dataSource.query(`UPDATE ${table} SET ${end} = $1 WHERE owner_id = $2`, [inFiveMinutes(), owner.id]);
      const [{ id }] = await right.dataSource.query<[{ id: string }]>(`SELECT id FROM ${table} WHERE owner_id = $1`, [
        owner.id,
      ]);
      await right.dataSource.query(
        `UPDATE sigra_api_tokens SET ${maker} = $1, descends_from = ARRAY[$1::uuid] WHERE id = $2`,
        [id, made.token.id],
      );

      await ahead.get(CredentialService).lockOut(owner);

      await eventually(async () => expect(await refusalOf(right.tokens.verify(made.rawToken))).toBe('token_revoked'));
    },
  );
});
