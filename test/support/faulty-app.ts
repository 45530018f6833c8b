import { type Adapter, startTestApp, type TestApp } from './test-app.js';
import { type HostApp, type HostOptions, startHost } from './host-app.js';
import { DatabaseProxy } from './database-proxy.js';

/** The time that a request waits for the database in these tests, in milliseconds. */
export const LOOKUP_TIMEOUT = 1000;

export interface FaultyApp {
  /** Uses the database directly, for set-up and assertions. */
  readonly sound: TestApp;
  /** Uses the same database through the proxy. */
  readonly host: HostApp;
  readonly proxy: DatabaseProxy;
  close(): Promise<void>;
}

/** Two applications on one database, one of them over a connection that can fail. */
export async function startFaultyApp(adapter: Adapter, options: Partial<HostOptions> = {}): Promise<FaultyApp> {
  const sound = await startTestApp({ adapter });
  const proxy = await DatabaseProxy.start(sound.databaseUrl);
  const host = await startHost({
    ...options,
    adapter,
    databaseUrl: proxy.url,
    sigra: { lookupTimeout: LOOKUP_TIMEOUT, ...options.sigra },
  });
  return {
    sound,
    host,
    proxy,
    close: async () => {
      await host.close();
      await proxy.stop();
      await sound.close();
    },
  };
}
