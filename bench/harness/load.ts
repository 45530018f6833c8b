import type { Sample } from './sample.js';

/** What one connection sends, over and over again. */
export type Headers = Readonly<Record<string, string>>;

export interface LoadRequest {
  readonly url: string;
  readonly seconds: number;
  /** One entry for each connection: the headers of its requests, in turn. */
  readonly connections: readonly (readonly Headers[])[];
}

/** Everything but the CPU of the server, which only the server knows. */
export type LoadResult = Omit<Sample, 'cpuMicros'>;

/** The methods of the process that puts load over HTTP. */
export interface LoadWorker extends Record<string, (argument: never) => unknown> {
  run(request: LoadRequest): Promise<LoadResult>;
}
