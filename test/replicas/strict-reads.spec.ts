import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { accepts, LEASE_MS, ReplicatedScene, untilUsed } from '../support/replicated-scene.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import type { TestApp } from '../support/test-app.js';

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
});
