import type { Sample } from './sample.js';

/** The headers of a request. */
export type Headers = Readonly<Record<string, string>>;

/** Requests that connections send repeatedly to one URL. */
export interface LoadRequest {
  readonly url: string;
  readonly seconds: number;
  /** One entry for each connection: the headers of its requests, in turn. */
  readonly connections: readonly (readonly Headers[])[];
}

/** Everything except the CPU of the server, which only the server can measure. */
export type LoadResult = Omit<Sample, 'cpuMicros'>;

/** A program that sends HTTP load. */
export interface HttpLoad {
  /** Of the program. */
  readonly name: string;
  run(request: LoadRequest): Promise<LoadResult>;
  stop(): Promise<void>;
}

/** The methods of the process that sends HTTP load with autocannon. */
export interface LoadWorker extends Record<string, (argument: never) => unknown> {
  run(request: LoadRequest): Promise<LoadResult>;
}
