import { once } from 'node:events';
import { NodeProcess } from './node-process.js';

export interface HonestClientSetup {
  readonly url: string;
  readonly rawToken: string;
}

/** What an honest client got since its last report. Times are in milliseconds. */
export interface HonestReport {
  /** Answers by status; 0 when the connection failed. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly p50: number;
  readonly p99: number;
  readonly longest: number;
}

/**
 * Asks who it is, over and over, from a process of its own: the event loop of a test is busy with its own work. Every second
 * request has a new connection. Its program is `honest-client-process.ts`.
 */
export class HonestClient {
  private constructor(private readonly process: NodeProcess) {}

  static async start(setup: HonestClientSetup): Promise<HonestClient> {
    const { process } = await NodeProcess.start('honest-client-process.ts', setup);
    return new HonestClient(process);
  }

  /** Includes the request under way, and starts again with nothing. */
  async report(): Promise<HonestReport> {
    const { child } = this.process;
    const answer = once(child, 'message');
    child.send('report');
    return (await answer)[0] as HonestReport;
  }

  stop(): Promise<void> {
    return this.process.stop();
  }
}
