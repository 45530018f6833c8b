import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../tools/local-postgres/src/free-port.js';
import { eventually } from './eventually.js';

/** One series of the result of a query. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [time: number, value: string];
}

type Answer =
  | { readonly status: 'success'; readonly data: { readonly result: readonly Series[] } }
  | { readonly status: 'error'; readonly error: string };

/** A Prometheus server that reads the metrics of one application once a second. */
export class Prometheus {
  private constructor(
    private readonly url: string,
    private readonly folder: string,
    private readonly process: ChildProcess,
  ) {}

  /** @param target the URL of the application, which has its metrics at `/metrics` */
  static async start(target: string): Promise<Prometheus> {
    const folder = await mkdtemp(join(tmpdir(), 'sigra-prometheus-'));
    const port = await freePort();
    const scrape = { job_name: 'demo', static_configs: [{ targets: [new URL(target).host] }] };
    // JSON is YAML.
    const config = { global: { scrape_interval: '1s', scrape_timeout: '1s' }, scrape_configs: [scrape] };
    await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
    const options = [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ];
    const child = spawn('prometheus', options, { stdio: 'ignore' });
    const killed = () => child.kill('SIGKILL');
    process.once('exit', killed);
    child.once('exit', () => process.off('exit', killed));
    try {
      // Rejects if the program is not installed.
      await once(child, 'spawn');
    } catch (cause) {
      throw new Error('Prometheus is needed. On Debian: apt-get install prometheus', { cause });
    }
    const url = `http://127.0.0.1:${port}`;
    await eventually(() =>
      fetch(`${url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    return new Prometheus(url, folder, child);
  }

  /** @throws an error with the message of Prometheus if it cannot read the query */
  async query(query: string): Promise<readonly Series[]> {
    const response = await fetch(`${this.url}/api/v1/query?${new URLSearchParams({ query }).toString()}`);
    const answer = (await response.json()) as Answer;
    if (answer.status === 'error') throw new Error(answer.error);
    return answer.data.result;
  }

  async stop(): Promise<void> {
    const ended = once(this.process, 'exit');
    this.process.kill('SIGTERM');
    await ended;
    await rm(this.folder, { recursive: true, force: true });
  }
}
