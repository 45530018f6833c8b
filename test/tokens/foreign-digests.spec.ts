import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** Two digests at a time, and 64 that wait. */
const ADMITTED = 66;

describe('A foreign format whose digest is a function, without rehash', () => {
  let test: TestApp;
  let [running, mostRunning] = [0, 0];
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));

  beforeAll(async () => {
    const digest = async (secret: string) => {
      mostRunning = Math.max(mostRunning, ++running);
      await gate;
      running--;
      return Buffer.from(secret);
    };
    const foreignFormats = { old: { pattern: /^old_(?<secret>\w{40})$/, digest } };
    test = await startTestApp({ sigra: { apiTokens: { scopes: ['read:notes'], foreignFormats } } });
  });
  afterAll(() => test.close());

  const statusOf = async (rawToken: string) =>
    (await fetch(`${test.url}/notes`, { headers: { authorization: `Bearer ${rawToken}` } })).status;

  it('computes few digests at a time in a flood of wrong tokens, and refuses the others with 503', async () => {
    const { rawToken } = await test.tokens.create(test.user, { name: 'Native', scopes: ['read:notes'] });
    const statuses: number[] = [];
    const flood = Array.from({ length: ADMITTED + 14 }, async (_, index) => {
      statuses.push(await statusOf(`old_${String(index).padStart(40, 'a')}`));
    });

    await eventually(() => statuses.length === 14);
    const native = await statusOf(rawToken);
    const refused = [...statuses];
    open();
    await Promise.all(flood);

    expect(refused).toEqual(Array.from({ length: 14 }, () => 503));
    expect(native).toBe(200);
    expect(statuses.slice(14)).toEqual(Array.from({ length: ADMITTED }, () => 401));
    expect(mostRunning).toBe(2);
  });
});
