import { Agent, get } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { ADAPTERS, startTestApp } from '../support/test-app.js';
import { startHost } from '../support/host-app.js';

const CLIENTS = 16;

/** The outcome of a request over a kept-alive connection: a status, or the code of an error. */
function outcomeOf(url: string, agent: Agent, headers: Record<string, string>): Promise<number | string> {
  return new Promise((resolve) => {
    get(url, { agent, headers }, (response) => {
      response.resume().on('end', () => {
        resolve(response.statusCode ?? 0);
      });
    }).on('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code ?? error.message);
    });
  });
}

describe.each(ADAPTERS)('An application that shuts down under keep-alive traffic, on %s', (adapter) => {
  it('answers the requests under way, closes the connections, and ends', async () => {
    const test = await startTestApp();
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['*'] });
    const host = await startHost({ adapter, databaseUrl: test.databaseUrl });
    const agent = new Agent({ keepAlive: true });
    const outcomes: (number | string)[] = [];
    const client = async () => {
      let outcome: number | string;
      do {
        outcome = await outcomeOf(`${host.url}/api/tokens`, agent, { authorization: `Bearer ${rawToken}` });
        outcomes.push(outcome);
      } while (outcome === 200);
    };

    const clients = Array.from({ length: CLIENTS }, client);
    await eventually(() => outcomes.length >= 10 * CLIENTS);
    await host.close();
    await Promise.all(clients);
    agent.destroy();
    await test.close();

    // Fastify answers requests that arrive while it closes with 503, and a request can cross the end of its connection.
    const allowed = [200, 503, 'ECONNREFUSED', 'ECONNRESET'];
    expect([...new Set(outcomes)].filter((outcome) => !allowed.includes(outcome))).toEqual([]);
  });
});
