import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ADAPTERS } from '../support/test-app.js';
import { DEMO_TIMEOUT, startDemoProcess } from '../support/demo.js';

jest.setTimeout(DEMO_TIMEOUT);

const run = promisify(execFile);
const namesIn = (answer: string) => [...answer.matchAll(/"name":"([^"]+)"/g)].map(([, name]) => name);

describe.each(ADAPTERS)('the guide that a start on %s prints', (adapter) => {
  let demo: Awaited<ReturnType<typeof startDemoProcess>>;

  beforeAll(async () => {
    demo = await startDemoProcess({ HTTP_ADAPTER: adapter });
  });
  afterAll(() => demo.stop());

  it('shows the addresses and the accounts', () => {
    const { output, errors } = demo.process;

    expect(output).toContain(`Sigra demo is running at ${demo.url}`);
    expect(output).toContain(`${demo.url}/login`);
    expect(output).toContain(`${demo.url}/docs`);
    expect(output).toMatch(/ada@example\.com +password sigra-demo/);
    expect(output).toMatch(/grace@example\.com +password sigra-demo/);
    expect(errors).toBe('');
  });

  it('offers commands that work when they are pasted, each with the status that it announces', async () => {
    const announced = [...demo.process.output.matchAll(/^ +\d\. .*: (\d{3})/gm)].map(([, status]) => status);
    const answers: string[] = [];

    for (const command of demo.process.commands) answers.push((await run('sh', ['-c', command])).stdout);

    const statuses = answers.map((answer) => /\nHTTP (\d{3})\n$/.exec(answer)![1]);
    expect(announced).toEqual(['200', '403', '401', '201', '204', '401', '200', '200', '200']);
    expect(statuses).toEqual(announced);
    expect(answers[0]).toContain('Analytical engine');
    expect(answers[1]).toContain('insufficient_scope');
    expect(answers[2]).toContain('invalid_token');
    expect(answers[3]).toContain('"rawToken":"sigra_sk_');
    expect(namesIn(answers[7]!)).toEqual(['Analytical engine']);
    expect(namesIn(answers[8]!)).toEqual(['Tables of the Moon']);
  });
});
