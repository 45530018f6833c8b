import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiTokenService, type SigraError } from 'nestjs-sigra';
import { type FaultyApp, startFaultyApp } from '../support/faulty-app.js';

describe('A failed query', () => {
  let test: FaultyApp;
  let rawToken: string;

  beforeAll(async () => {
    test = await startFaultyApp('fastify', { sigra: { lookupTimeout: 10_000 } });
    ({ rawToken } = await test.sound.tokens.create(test.sound.user, { name: 'CI', scopes: ['read:notes'] }));
  });
  afterAll(() => test.close());

  const verify = () =>
    test.host.app
      .get(ApiTokenService)
      .verify(rawToken)
      .then(
        () => 'verified',
        (error: unknown) => (error as SigraError).code,
      );

  it('rejects its own callers, and not those that arrived while it ran', async () => {
    const reached = test.proxy.silenceAt('sigra_api_tokens');
    const early = [verify(), verify()];
    await reached;
    const late = [verify(), verify()];

    await test.proxy.cut();
    await test.proxy.mend();
    test.proxy.speak();

    expect(await Promise.all(early)).toEqual(['unavailable', 'unavailable']);
    expect(await Promise.all(late)).toEqual(['verified', 'verified']);
    expect(await verify()).toBe('verified');
  });

  it('does not make a token invalid', async () => {
    await test.sound.dataSource.query('ALTER TABLE users RENAME COLUMN email TO mail');
    const [during, ofOther] = await Promise.all([verify(), verify()]);
    await test.sound.dataSource.query('ALTER TABLE users RENAME COLUMN mail TO email');

    expect([during, ofOther]).toEqual(['unavailable', 'unavailable']);
    expect(await verify()).toBe('verified');
  });
});
