import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { installed } from './debian-package.js';
import type { Headers, HttpLoad, LoadRequest, LoadResult } from './load.js';

const run = promisify(execFile);

/** What the script prints at the end; `wrk` measures in microseconds. */
interface Summary {
  readonly requests: number;
  readonly duration: number;
  readonly failures: number;
  readonly p50: number;
  readonly p99: number;
}

/** HTTP load from `wrk`, which uses a tenth of the CPU of autocannon. @returns undefined if it cannot be installed */
export async function startWrk(): Promise<HttpLoad | undefined> {
  return (await installed('wrk')) ? { name: 'wrk', run: runWrk, stop: () => Promise.resolve() } : undefined;
}

async function runWrk({ url, seconds, connections }: LoadRequest): Promise<LoadResult> {
  const folder = await mkdtemp(join(tmpdir(), 'sigra-wrk-'));
  try {
    const script = join(folder, 'requests.lua');
    await writeFile(script, scriptOf(connections.flat()));
    const whole = Math.max(1, Math.round(seconds));
    const args = ['--threads', '1', '--connections', String(connections.length), '--duration', `${whole}s`];
    const { stdout } = await run('wrk', [...args, '--script', script, url]);
    const summary = JSON.parse(stdout.slice(stdout.lastIndexOf('{'))) as Summary;
    if (summary.failures > 0) throw new Error(`${url}: ${summary.failures} requests failed:\n${stdout}`);
    const { requests: operations, duration, p50, p99 } = summary;
    return { operations, seconds: duration / 1e6, p50: p50 / 1000, p99: p99 / 1000 };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Sends the requests in turn, so that requests in flight at one moment share no credential. */
function scriptOf(requests: readonly Headers[]): string {
  const headers = requests.map((each) => {
    const lines = Object.entries(each).map(([name, value]) => `[${JSON.stringify(name)}] = ${JSON.stringify(value)}`);
    return `{ ${lines.join(', ')} }`;
  });
  return `
local headers = { ${headers.join(',\n')} }
local requests = {}
local next = 0
function init()
  for i, each in ipairs(headers) do requests[i] = wrk.format("GET", nil, each) end
end
function request()
  next = next % #requests + 1
  return requests[next]
end
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('\\n{"requests": %d, "duration": %d, "failures": %d, "p50": %d, "p99": %d}\\n',
    summary.requests, summary.duration, errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
`;
}
