import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { startHost } from '../support/host-app.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('An application that boots', () => {
  let test: TestApp;
  let warn: jest.SpiedFunction<Logger['warn']>;

  beforeEach(async () => {
    test = await startTestApp();
    warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await test.close();
  });

  const warningsOf = async (typeOrm: object) => {
    const host = await startHost({ adapter: 'fastify', databaseUrl: test.databaseUrl, typeOrm });
    await host.close();
    // Nest warns because two applications of this process use the same DataSource name.
    return warn.mock.calls.map(([text]) => String(text)).filter((text) => !text.includes('already registered'));
  };

  it.each([
    { connectTimeoutMS: 2000 },
    { connectTimeoutMS: undefined, extra: { connectionTimeoutMillis: 2000 } },
    { extra: { options: '-c extra_float_digits=-15' } },
  ])('warns about nothing with %j', async (options) => {
    expect(await warningsOf(options)).toEqual([]);
  });

  it.each([{ connectTimeoutMS: undefined }, { connectTimeoutMS: 0 }, { connectTimeoutMS: undefined, extra: {} }])(
    'warns that there is no connection timeout with %j',
    async (options) => {
      expect(await warningsOf(options)).toEqual([
        expect.stringMatching(/no connection timeout.*connectTimeoutMS: 2000/),
      ]);
    },
  );

  it('is refused when its connections have client_min_messages = error', async () => {
    const boot = warningsOf({ extra: { options: '-c client_min_messages=error' } });

    await expect(boot).rejects.toThrow(
      'sigra: dataSource has connections with client_min_messages = error, which hides that a synchronous standby',
    );
  });

  it('is not refused when warnings are the least that its connections get', async () => {
    expect(await warningsOf({ extra: { options: '-c client_min_messages=warning' } })).toEqual([]);
  });

  it.each([
    [600_000, 'ahead of'],
    [-600_000, 'behind'],
  ])('warns that its clock differs from that of the database by %i ms', async (difference, direction) => {
    const { now } = Date;
    jest.spyOn(Date, 'now').mockImplementation(() => now() + difference);

    const warnings = await warningsOf({});

    expect(warnings).toEqual([
      expect.stringMatching(new RegExp(`is (?:599.9|600.0|600.1) s ${direction} that of the database`)),
    ]);
  });
});
