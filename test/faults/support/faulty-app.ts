import { type Adapter, startTestApp, type TestApp } from '../../support/test-app.js';
import { type HostApp, type HostOptions, startHost } from '../../e2e/support/host-app.js';
import { DatabaseProxy } from './database-proxy.js';

/** How long a request may wait for the database in these tests, in milliseconds. */
const LOOKUP_TIMEOUT = 1000;

export interface FaultyApp {
  /** Reaches the database directly: for what tests set up and look at. */
  readonly sound: TestApp;
  /** Reaches the same database through the proxy. */
  readonly host: HostApp;
  readonly proxy: DatabaseProxy;
  close(): Promise<void>;
}

/** Two applications on one database, one of them on a wire that can fail. */
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
