import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type JwtApp, startJwtApp } from '../support/jwt-app.js';

const OPERATIONS = ['generate', 'verify', 'refresh'];
const PHASES = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'];
const CHANNELS = [
  ...OPERATIONS.flatMap((operation) => PHASES.map((phase) => `tracing:sigra:jwt:${operation}:${phase}`)),
  'sigra:jwt:refresh_reuse_detected',
];

/** All messages that are published while `work` runs, as deep copies from the moment of publication. */
async function publishedBy(work: () => Promise<unknown>): Promise<{ channel: string; text: string }[]> {
  const published: { channel: string; text: string }[] = [];
  const note = (message: unknown, channel: string | symbol) => {
    published.push({
      channel: String(channel),
      text: inspect(message, { depth: Infinity, showHidden: true, maxStringLength: null, maxArrayLength: null }),
    });
  };
  for (const channel of CHANNELS) subscribe(channel, note);
  try {
    await work();
  } finally {
    for (const channel of CHANNELS) unsubscribe(channel, note);
  }
  return published;
}

describe('The telemetry of JWTs', () => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp({ check: 'family', reuseLeeway: 10 });
  });
  afterAll(() => test.close());

  const failing = (call: Promise<unknown>) => call.catch(() => undefined);

  it('reports every operation, and contains neither a token, nor a part of one, nor the secret', async () => {
    const secrets: string[] = [];
    const keep = (pair: { accessToken: string; refreshToken: string }) => {
      secrets.push(...pair.accessToken.split('.').slice(1), pair.refreshToken.slice('sigra_rt_'.length));
      return pair;
    };

    const published = await publishedBy(async () => {
      const first = keep(await test.jwt.generateTokens(test.user, ['read:notes']));
      await test.jwt.verifyAccess(first.accessToken);
      await failing(test.jwt.verifyAccess(`${first.accessToken}x`));
      const second = keep(await test.jwt.refresh(first.refreshToken));
      keep(await test.jwt.refresh(first.refreshToken));
      await failing(test.jwt.refresh(`${second.refreshToken}x`));
      await failing(test.jwt.refresh(second.refreshToken, { scopes: ['admin'] }));
      test.clock.advance({ seconds: 20 });
      await failing(test.jwt.refresh(first.refreshToken));
      await failing(test.jwt.refresh(second.refreshToken));
      await failing(test.jwt.verifyAccess(second.accessToken));
      const third = keep(await test.jwt.generateTokens(test.user, ['read:notes']));
      await test.dataSource.destroy();
      await failing(test.jwt.generateTokens(test.user, ['read:notes']));
      await failing(test.jwt.verifyAccess(third.accessToken));
      await failing(test.jwt.refresh(third.refreshToken));
      await test.dataSource.initialize();
    });

    const text = published.map((each) => each.text).join('\n');
    expect(new Set(published.map(({ channel }) => channel))).toEqual(new Set(CHANNELS));
    expect(secrets.length).toBeGreaterThanOrEqual(10);
    for (const secret of secrets) expect(text).not.toContain(secret);
    expect(text).not.toContain('a secret of the tests');
  });

  it('reports the user of a verified token, and the reason of a refusal', async () => {
    const { accessToken } = await test.jwt.generateTokens(test.user, ['read:notes']);
    const { jti, sid } = await test.jwt.verifyAccess(accessToken);

    const published = await publishedBy(async () => {
      await test.jwt.verifyAccess(accessToken);
      await failing(test.jwt.verifyAccess(accessToken.slice(0, -2)));
    });

    const ended = published.filter(({ channel }) => channel.endsWith(':asyncEnd')).map(({ text }) => text);
    expect(ended[0]).toContain(test.user.id);
    expect(ended[0]).toContain(jti);
    expect(ended[0]).toContain(String(sid));
    expect(ended[1]).toContain('invalid_token');
  });
});
