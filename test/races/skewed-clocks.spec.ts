import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type JwtApp, JWT, startJwtApp } from '../support/jwt-app.js';
import { JwtNode } from '../support/jwt-node.js';

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
