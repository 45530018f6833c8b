import { afterEach, describe, expect, it } from '@jest/globals';
import { type LeakOptions, SigraConfigError } from 'nestjs-sigra';
import { resolveConfig } from '../../libs/sigra/src/config/resolve-config.js';
import { startHost } from '../support/host-app.js';
import { LeakScanner, scannerKey } from '../support/leak-scanner.js';
import { ADAPTERS, startTestApp, type TestApp, User } from '../support/test-app.js';

/** The example of GitHub's documentation. */
const EXAMPLE = {
  id: 'f9525bf080f75b3506ca1ead061add62b8633a346606dc5fe544e29231c6ee0d',
  signature: 'MEUCIFLZzeK++IhS+y276SRk2Pe5LfDrfvTXu6iwKKcFGCrvAiEAhHN2kDOhy2I6eGkOFmxNkOJ+L2y8oQ9A2T9GGJo6WJY=',
  body: '[{"token":"some_token","type":"some_type","url":"some_url","source":"some_source"}]',
  publicKey: [
    '-----BEGIN PUBLIC KEY-----',
    'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsz9ugWDj5jK5ELBK42ynytbo38gP',
    'HzZFI03Exwz8Lh/tCfL3YxwMdLjB+bMznsanlhK0RwcGP3IDb34kQDIo3Q==',
    '-----END PUBLIC KEY-----',
  ].join('\n'),
};
const KEY = { id: EXAMPLE.id, publicKey: EXAMPLE.publicKey };

describe('The keys of leak reports', () => {
  let test: TestApp | undefined;

  afterEach(async () => {
    await test?.close();
    test = undefined;
  });

  const start = async (leaks: LeakOptions) =>
    (test = await startTestApp({ sigra: { controllers: { leaks: 'leaks' }, leaks } }));

  it.each(ADAPTERS)('verify the example of GitHub, below a global prefix, on %s', async (adapter) => {
    const { databaseUrl } = await start({ keys: [KEY] });
    const host = await startHost({
      adapter,
      databaseUrl,
      sigra: { controllers: { leaks: 'leaks' }, leaks: { keys: [KEY] } },
      prepare: (app) => app.setGlobalPrefix('api'),
    });

    const headers = {
      'content-type': 'application/json',
      'GITHUB-PUBLIC-KEY-IDENTIFIER': EXAMPLE.id,
      'GITHUB-PUBLIC-KEY-SIGNATURE': EXAMPLE.signature,
    };
    const answer = await fetch(`${host.url}/api/leaks`, { method: 'POST', headers, body: EXAMPLE.body });

    expect({ status: answer.status, body: await answer.json() }).toMatchObject({
      status: 200,
      body: [{ token_type: 'some_type', label: 'false_positive' }],
    });
    await host.close();
  });

  it('are unavailable while the scanner does not publish them', async () => {
    const scanner = await LeakScanner.start();
    scanner.isDown = true;
    const { url, clock } = await start({ keysUrl: scanner.keysUrl });

    const down = await scanner.report(`${url}/leaks`, []);
    scanner.isDown = false;
    clock.advance({ seconds: 5 });
    const up = await scanner.report(`${url}/leaks`, []);

    expect([down.status, down.headers.get('retry-after'), up.status]).toEqual([503, '1', 200]);
    await scanner.close();
  });

  it('do not verify when they are of another curve', async () => {
    const scanner = await LeakScanner.start();
    scanner.keys = [scannerKey('key-1', 'P-384')];
    const { url } = await start({ keysUrl: scanner.keysUrl });

    expect((await scanner.report(`${url}/leaks`, [])).status).toBe(403);
    await scanner.close();
  });

  it.each<[string, LeakOptions]>([
    ['leaks.keys', { keys: [] }],
    ['leaks.keys', { keys: [KEY, KEY] }],
    ['leaks.keys[0].publicKey', { keys: [{ ...KEY, publicKey: 'no key' }] }],
    ['leaks.keys[0].publicKey', { keys: [{ id: 'a', publicKey: scannerKey('a').privateKey }] }],
    ['leaks.keys[0].publicKey', { keys: [{ id: 'a', publicKey: scannerKey('a', 'P-384').publicKey }] }],
    ['leaks.keysUrl', { keysUrl: 'http://keys.example/' }],
    ['leaks.keysUrl', { keysUrl: 'https://keys.example/', keys: [KEY] }],
  ])('are checked at boot: %s', (option, leaks) => {
    const resolve = () => resolveConfig({ users: { entity: User }, leaks });

    expect(resolve).toThrow(SigraConfigError);
    expect(resolve).toThrow(option);
  });
});
