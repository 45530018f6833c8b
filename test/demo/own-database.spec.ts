import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ADAPTERS } from '../support/test-app.js';
import { DataFolder, isRunning } from '../support/data-folder.js';
import { DEMO_TIMEOUT, DemoProcess } from '../support/demo.js';
import { eventually } from '../support/eventually.js';
import { Visitor, rawTokenOn } from '../support/visitor.js';

jest.setTimeout(DEMO_TIMEOUT);

let template: DataFolder;

beforeAll(async () => {
  template = await DataFolder.withDatabase();
});
afterAll(() => template.remove());

describe.each(ADAPTERS)('a demo with its own database, on %s', (adapter) => {
  let folder: DataFolder;
  const demos: DemoProcess[] = [];

  const start = () => {
    const demo = new DemoProcess({ HTTP_ADAPTER: adapter, DEMO_DATA_DIR: folder.path });
    demos.push(demo);
    return demo;
  };

  afterEach(async () => {
    for (const demo of demos.splice(0)) await demo.stop();
    await folder.remove();
  });

  it('keeps users, projects, tokens and sessions for the next start, and revokes the previously printed tokens', async () => {
    folder = await DataFolder.make();
    const first = await start().ready();
    const ada = await new Visitor(first.url).signIn();
    await ada.send('/api/projects', { method: 'POST', body: new URLSearchParams({ name: 'Kept' }) });
    const kept = rawTokenOn(await (await ada.createToken({ name: 'Kept', scopes: ['read:projects'] })).text());
    await first.interruptGroup();

    const second = await start().ready();

    const statusWith = async (token: string | undefined) => {
      const answer = await fetch(`${second.url}/api/projects`, { headers: { authorization: `Bearer ${token}` } });
      return { status: answer.status, body: await answer.text() };
    };
    expect(await statusWith(kept)).toEqual({ status: 200, body: expect.stringContaining('"Kept"') });
    expect(await statusWith(second.token)).toMatchObject({ status: 200 });
    expect(await statusWith(first.token)).toMatchObject({ status: 401 });
    const list = await ada.at(second.url).html('/api/tokens');
    expect(list.match(/"Printed at start-up"/g)).toHaveLength(1);
    expect(list.match(/"Revoke me"/g)).toHaveLength(1);
  });

  it.each(['interruptGroup', 'terminate'] as const)('leaves no process behind on %s', async (end) => {
    folder = await template.copy();
    const demo = await start().ready();
    const postmaster = await folder.postmaster();
    // Leaves a connection open.
    await fetch(`${demo.url}/health`);

    const { code, errors } = await demo[end]();

    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    expect(isRunning(-demo.child.pid!)).toBe(false);
    expect(isRunning(postmaster)).toBe(false);
  });

  it('exits at once when it is interrupted while it starts', async () => {
    folder = await template.copy();
    const demo = start();
    const postmaster = await eventually(() => folder.postmaster());

    const { code, errors } = await demo.interruptGroup();

    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    expect(demo.output).toBe('');
    expect(await eventually(() => !isRunning(postmaster))).toBe(true);
  });
});
