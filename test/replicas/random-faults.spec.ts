import { randomInt } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { StandbyRead } from 'nestjs-sigra';
import { onDatabase } from '../support/database.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { accepts, ReplicatedScene, untilUsed } from '../support/replicated-scene.js';
import { rounds } from '../support/rounds.js';
import type { TestApp } from '../support/test-app.js';

/** `SIGRA_ROUNDS=500` revokes 10,000 tokens. */
const ROUNDS = rounds(15);
const AT_ONCE = 20;
/** The default. */
const LEASE_MS = 250;
const CALLERS = 8;

/** Begins a fault. @returns ends it */
type Fault = () => Promise<() => Promise<void> | void>;

describe('A node that reads a standby which fails at random', () => {
  let scene: ReplicatedScene;
  let reader: TestApp;
  /** Between the node and the standby. */
  let network: DatabaseProxy;

  const faults: Readonly<Record<string, Fault>> = {
    'stops replaying': async () => {
      await scene.replay('pause');
      return () => scene.replay('resume');
    },
    'is frozen': () => scene.standby.freeze(),
    'is killed': async () => {
      await scene.standby.stop('kill');
      return () => scene.standby.startAgain();
    },
    'is cut off from the primary': () => {
      scene.replication.silence();
      return Promise.resolve(() => scene.replication.speak());
    },
    'is cut off from the node': () => {
      network.silence();
      return Promise.resolve(() => network.speak());
    },
    'loses its connections': async () => {
      await network.cut();
      return () => network.mend();
    },
    'answers late': () => {
      network.delayAnswers(randomInt(2 * LEASE_MS));
      return Promise.resolve(() => network.speak());
    },
  };

  beforeAll(async () => {
    scene = await ReplicatedScene.start(LEASE_MS);
    network = await DatabaseProxy.start(scene.standby.url);
    reader = await scene.reader([network.url]);
  }, 120_000);
  afterAll(async () => {
    await reader.app.close();
    await network.stop();
    await scene.close();
  }, 60_000);

  it(
    'refuses every token whose revocation has resolved elsewhere, and always accepts the others',
    async () => {
      const over = new AbortController();
      const kept = await scene.createToken();
      await untilUsed(reader);
      const reads = { proven: 0, unproven: 0, failed: 0 };
      const count = (message: unknown) => reads[(message as StandbyRead).outcome]++;
      subscribe('sigra:standby:read', count);
      const load = async () => {
        while (!over.signal.aborted) {
          await reader.tokens.verify(kept.rawToken);
          await delay(randomInt(10));
        }
      };
      const happened: Record<string, number> = {};
      const disturb = async () => {
        // Each of them, in an order of its own each time.
        let next: [string, Fault][] = [];
        while (!over.signal.aborted) {
          if (next.length === 0) next = shuffled(Object.entries(faults));
          const [name, begin] = next.pop()!;
          const end = await begin();
          await delay(randomInt(4 * LEASE_MS));
          await end();
          happened[name] = (happened[name] ?? 0) + 1;
          await delay(randomInt(2 * LEASE_MS));
        }
      };
      const running = Promise.all([disturb(), ...Array.from({ length: CALLERS }, load)]);
      const tokens = { accepted: 0, revoked: 0, missing: 0 };
      const revoke = async () => {
        const { rawToken, id } = await scene.createToken();
        await reader.tokens.verify(rawToken);
        await delay(randomInt(LEASE_MS));
        await scene.writer.tokens.revoke(id);
        tokens.revoked++;
        if (await accepts(reader, rawToken)) tokens.accepted++;
        if (await lacksRevocation(id)) tokens.missing++;
      };
      /** Whether the standby would still accept the token. Not known of one that is down. */
      const lacksRevocation = (id: string) =>
        onDatabase(scene.standby.url, async (client) => {
          const sql = 'SELECT FROM sigra_api_tokens WHERE id = $1 AND revoked_at IS NOT NULL';
          return (await client.query(sql, [id])).rowCount === 0;
        }).catch(() => false);

      try {
        const allHappened = () => Object.keys(faults).every((name) => happened[name]);
        for (let round = 0; round < ROUNDS || !allHappened(); round++) {
          await Promise.all(Array.from({ length: AT_ONCE }, revoke));
        }
      } finally {
        over.abort();
        await running;
        unsubscribe('sigra:standby:read', count);
      }

      await scene.replay('pause');
      await revoke();
      await scene.replay('resume');

      if (process.env.SIGRA_ROUNDS) console.info(JSON.stringify({ tokens, reads, happened }));
      expect(tokens.accepted).toBe(0);
      expect(tokens.revoked).toBeGreaterThan(ROUNDS * AT_ONCE);
      // The standby still accepts these.
      expect(tokens.missing).toBeGreaterThan(0);
      expect(reads.proven).toBeGreaterThan(0);
    },
    120_000 + ROUNDS * 20_000,
  );
});

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, place: randomInt(1e9) }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}
