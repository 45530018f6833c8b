import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { onDatabase } from '../support/database.js';
import { accepts, LEASE_MS, ReplicatedScene, untilUsed } from '../support/replicated-scene.js';
import { rounds } from '../support/rounds.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import type { TestApp } from '../support/test-app.js';

/** `SIGRA_ROUNDS=500` revokes 10,000 tokens. */
const ROUNDS = rounds(6);
const AT_ONCE = 20;

describe('A node that reads a standby', () => {
  let scene: ReplicatedScene;
  let reader: TestApp;
  /** Between the node and the primary. */
  let network: DatabaseProxy;

  beforeAll(async () => {
    scene = await ReplicatedScene.start();
    network = await DatabaseProxy.start(scene.primary.url);
    reader = await scene.reader([scene.standby.url], network.url);
  }, 120_000);
  afterAll(async () => {
    await reader.app.close();
    await network.stop();
    await scene.close();
  }, 60_000);
  afterEach(() => scene.replay('resume'));

  it('verifies a token while the primary does not answer, for the rest of the lease', async () => {
    const { rawToken } = await scene.createToken();
    await delay(LEASE_MS);
    await untilUsed(reader);

    network.silence();
    const isAccepted = await accepts(reader, rawToken);
    network.speak();

    expect(isAccepted).toBe(true);
  }, 60_000);

  it('accepts a token at once that the standby does not have yet', async () => {
    await untilUsed(reader);
    await scene.replay('pause');

    const { rawToken } = await scene.createToken();

    expect(await accepts(reader, rawToken)).toBe(true);
  }, 60_000);

  it(
    'refuses every token whose revocation has resolved elsewhere, while replay stops at random',
    async () => {
      let isOver = false;
      const filler = await scene.createToken();
      const load = async () => {
        while (!isOver) {
          await reader.tokens.verify(filler.rawToken);
          await delay(5);
        }
      };
      const disturb = async () => {
        while (!isOver) {
          await delay(randomInt(2 * LEASE_MS));
          await scene.replay('pause');
          await delay(randomInt(2 * LEASE_MS));
          await scene.replay('resume');
        }
      };
      const disturbing = Promise.all([load(), disturb()]);
      const counts = { accepted: 0, missing: 0, revoked: 0 };
      const revoke = async () => {
        const { rawToken, id } = await scene.createToken();
        await reader.tokens.verify(rawToken);
        await delay(randomInt(LEASE_MS));
        await scene.writer.tokens.revoke(id);
        counts.revoked++;
        if (await accepts(reader, rawToken)) counts.accepted++;
        const { rows } = await onDatabase(scene.standby.url, (client) =>
          client.query(`SELECT FROM sigra_api_tokens WHERE id = $1 AND revoked_at IS NOT NULL`, [id]),
        );
        if (rows.length === 0) counts.missing++;
      };
      for (let round = 0; round < ROUNDS; round++) await Promise.all(Array.from({ length: AT_ONCE }, revoke));
      isOver = true;
      await disturbing;
      await scene.replay('pause');
      await revoke();
      await scene.replay('resume');

      expect(counts.accepted).toBe(0);
      expect(counts.revoked).toBe(ROUNDS * AT_ONCE + 1);
      // The standby still accepts these.
      expect(counts.missing).toBeGreaterThan(0);
    },
    60_000 + ROUNDS * 20_000,
  );
});
