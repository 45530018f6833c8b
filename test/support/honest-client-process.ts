import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { HonestClientSetup, HonestReport } from './honest-client.js';

// The program of `HonestClient`.
const { url, rawToken } = JSON.parse(process.argv[2] ?? '') as HonestClientSetup;
const PAUSE_MS = 2;
const PATIENCE_MS = 60_000;

const agent = new Agent({ keepAlive: true, maxSockets: 1 });
let statuses: Record<string, number> = {};
let times: number[] = [];
const due = { report: false };

process.on('message', () => (due.report = true));
process.once('disconnect', () => process.exit());
process.send?.('ready');

for (let turn = 0; ; turn++) {
  const start = performance.now();
  const status = await ask(turn % 2 === 0);
  times.push(performance.now() - start);
  statuses[status] = (statuses[status] ?? 0) + 1;
  if (due.report) report();
  await delay(PAUSE_MS);
}

function ask(keepsAlive: boolean): Promise<number> {
  return new Promise((resolve) => {
    const options = { agent: keepsAlive ? agent : false, timeout: PATIENCE_MS } as const;
    const sent = request(`${url}/me`, { ...options, headers: { authorization: `Bearer ${rawToken}` } }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => resolve(0));
    sent.end();
  });
}

function report(): void {
  due.report = false;
  times.sort((one, other) => one - other);
  const quantile = (part: number) => Math.round(times[Math.floor(times.length * part)]! * 10) / 10;
  process.send?.({
    statuses,
    p50: quantile(0.5),
    p99: quantile(0.99),
    longest: quantile(1 - 1e-9),
  } satisfies HonestReport);
  statuses = {};
  times = [];
}
