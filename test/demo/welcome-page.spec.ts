import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ADAPTERS } from '../support/test-app.js';
import { DEMO_TIMEOUT, type Demo, startDemo } from '../support/demo.js';
import { Visitor } from '../support/visitor.js';

jest.setTimeout(DEMO_TIMEOUT);

const run = promisify(execFile);
const ENTITIES: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
};
const commandsOn = (html: string) =>
  [...html.matchAll(/<pre class="shell"><code>(.*?)<\/code>/gs)].map(([, command]) =>
    command!.replace(/&\w+;|&#39;/g, (entity) => ENTITIES[entity]!),
  );

describe.each(ADAPTERS)('the first page of the demo on %s', (adapter) => {
  let demo: Demo;

  beforeAll(async () => {
    demo = await startDemo({ HTTP_ADAPTER: adapter });
  });
  afterAll(() => demo.stop());

  it('has three lines that create, use and revoke a token when they are pasted', async () => {
    const commands = commandsOn(await new Visitor(demo.url).html('/'));

    const { stdout } = await run('sh', ['-c', commands.join('\n')]);

    expect(commands).toHaveLength(3);
    expect([...stdout.matchAll(/HTTP (\d+)/g)].map(([, status]) => status)).toEqual(['200', '401']);
    expect(stdout).toContain('Analytical engine');
    expect(stdout).toContain('invalid_token');
  });

  it('shows no token that works', async () => {
    const html = await new Visitor(demo.url).html('/');

    const specimen = /class="number">(.*?)<\/p>/s.exec(html)![1]!.replace(/<[^>]+>/g, '');
    const answer = await fetch(`${demo.url}/api/me`, { headers: { authorization: `Bearer ${specimen}` } });

    expect(specimen).toMatch(/^sigra_sk_[0-9A-Za-z]{49}$/);
    expect(answer.status).toBe(401);
    expect(html).not.toContain(demo.token);
  });
});
