import { createDatabase } from '../../support/database.js';
import { DemoProcess } from './demo-process.js';

export interface Demo {
  readonly process: DemoProcess;
  readonly url: string;
  readonly token: string;
  readonly databaseUrl: string;
  stop(): Promise<void>;
}

/** A demo on an empty database of the test server. */
export async function startDemo(environment: Record<string, string> = {}): Promise<Demo> {
  const database = await createDatabase();
  const process = await new DemoProcess({ DATABASE_URL: database.url, ...environment }).ready();
  return {
    process,
    url: process.url,
    token: process.token,
    databaseUrl: database.url,
    stop: async () => {
      await process.stop();
      await database.drop();
    },
  };
}
