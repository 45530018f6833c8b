import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { UpdateApiToken } from 'nestjs-sigra';
import { onDatabase } from '../support/database.js';
import { refusalOf } from '../support/refusal.js';
import { LEASE_MS, ReplicatedScene, untilUsed } from '../support/replicated-scene.js';
import type { TestApp } from '../support/test-app.js';

const HOME = '127.0.0.1';
const OFFICE = '127.0.0.2';

describe('A node that reads a standby', () => {
  let scene: ReplicatedScene;
  let reader: TestApp;

  beforeAll(async () => {
    scene = await ReplicatedScene.start();
    reader = await scene.reader();
  }, 120_000);
  afterAll(async () => {
    await reader.app.close();
    await scene.close();
  }, 60_000);
  afterEach(() => scene.replay('resume'));

  const create = async () => {
    const scopes = ['read:notes', 'write:notes'];
    const limits = { allowedIps: [HOME, OFFICE], resources: ['note:*'] };
    const { rawToken, token } = await scene.writer.tokens.create(scene.writer.user, { name: 'CI', scopes, ...limits });
    await delay(LEASE_MS);
    await untilUsed(reader);
    return { rawToken, token };
  };
  /** What the standby has. */
  const rowOf = async (id: string) => {
    const { rows } = await onDatabase(scene.standby.url, (client) =>
      client.query(`SELECT scopes, allowed_ips AS "allowedIps", resources FROM sigra_api_tokens WHERE id = $1`, [id]),
    );
    return rows[0] as object;
  };

  describe.each(['pause', 'resume'] as const)('whose replay is told to %s', (verb) => {
    it.each<[string, UpdateApiToken]>([
      ['addresses', { allowedIps: [OFFICE] }],
      ['resources', { resources: ['note:1'] }],
      ['scopes', { scopes: ['read:notes'] }],
    ])(
      'goes by the narrower %s of a token as soon as the change has resolved',
      async (_what, changes) => {
        const { rawToken, token } = await create();
        const before = await reader.tokens.verify(rawToken, { ipAddress: HOME });
        await scene.replay(verb);

        await scene.writer.tokens.update(token.id, changes);
        const after = await reader.tokens.verify(rawToken, { ipAddress: OFFICE });

        expect(before).not.toMatchObject(changes);
        expect(after).toMatchObject(changes);
        if (changes.allowedIps) {
          expect(await refusalOf(reader.tokens.verify(rawToken, { ipAddress: HOME }))).toBe('invalid_token');
        }
        if (verb === 'pause') expect(await rowOf(token.id)).not.toMatchObject(changes);
      },
      60_000,
    );

    it.each<[string, (id: string) => Promise<unknown>, string]>([
      [
        'has an earlier end, which has come',
        async (id) => {
          const inAMinute = new Date(scene.writer.clock.now().getTime() + 60_000);
          await scene.writer.tokens.update(id, { expiresAt: inAMinute });
          for (const { clock } of [scene.writer, reader]) clock.advance({ minutes: 2 });
        },
        'token_expired',
      ],
      ['was rotated without a grace period', (id) => scene.writer.tokens.rotate(id), 'token_revoked'],
    ])(
      'refuses a token that %s as soon as the change has resolved',
      async (_what, end, code) => {
        const { rawToken, token } = await create();
        await reader.tokens.verify(rawToken, { ipAddress: HOME });
        await scene.replay(verb);

        await end(token.id);

        expect(await refusalOf(reader.tokens.verify(rawToken, { ipAddress: HOME }))).toBe(code);
      },
      60_000,
    );
  });
});
