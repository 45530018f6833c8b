import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { scannerKey } from '../support/leak-scanner.js';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';

const LENGTH = 7_900_000;

describe.each(ADAPTERS)('Reports that never end, on %s', (adapter) => {
  const sockets: Socket[] = [];
  let test: TestApp | undefined;

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await test?.close();
    test = undefined;
  });

  const { id, publicKey } = scannerKey('key-1');
  const start = async () =>
    (test = await startTestApp({
      adapter,
      sigra: {
        controllers: { leaks: 'leaks' },
        leaks: { keys: [{ id, publicKey: publicKey.export({ type: 'spki', format: 'pem' }) as string }] },
      },
    }));

  /** Sends all of a report but its end. @returns what the server answers until the connection closes */
  const begin = async (url: string) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    sockets.push(socket);
    await once(socket, 'connect');
    const answer = { text: '', isClosed: false };
    socket.on('data', (data) => (answer.text += data.toString('latin1')));
    socket.on('error', () => undefined);
    socket.on('close', () => (answer.isClosed = true));
    socket.write(
      `POST /leaks HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${LENGTH}\r\n\r\n`,
    );
    socket.write(Buffer.alloc(LENGTH - 1, ' '));
    return answer;
  };
  const send = (url: string, length: number) =>
    fetch(`${url}/leaks`, {
      method: 'POST',
      body: `[${' '.repeat(length - 2)}]`,
      headers: { 'content-type': 'application/json' },
    });

  it('cannot hold more than 32 MB, and leave room for small reports', async () => {
    const { url } = await start();
    const answers: { readonly text: string; readonly isClosed: boolean }[] = [];
    for (let count = 0; count < 5; count++) answers.push(await begin(url));

    await eventually(() => answers.some(({ text, isClosed }) => isClosed || text.startsWith('HTTP/1.1 503')));

    expect((await send(url, 1000)).status).toBe(403);
    for (const socket of sockets.splice(0)) socket.destroy();
    await eventually(async () => (await send(url, LENGTH).catch(() => undefined))?.status === 403);
  });

  it('are given up after ten seconds', async () => {
    const { url } = await start();
    const answer = await begin(url);

    await eventually(() => answer.isClosed);
  });

  it('do not outlast the application when their connections have ended', async () => {
    const { url, close } = await start();
    for (let count = 0; count < 5; count++) await begin(url);
    for (const socket of sockets.splice(0)) socket.destroy();

    await expect(close()).resolves.toBeUndefined();
    test = undefined;
  });
});
