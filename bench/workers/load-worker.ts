import autocannon from 'autocannon';
import { serve } from '../harness/child-api.js';
import type { LoadRequest, LoadResult, LoadWorker } from '../harness/load.js';
import { Latencies } from '../harness/sample.js';

serve({ run } satisfies LoadWorker);

/** Keep-alive connections, each with one request at a time. A status other than 200 ends the run. */
async function run({ url, seconds, connections }: LoadRequest): Promise<LoadResult> {
  const latencies = new Latencies();
  let connection = 0;
  const running = autocannon({
    url,
    connections: connections.length,
    duration: seconds,
    setupClient: (client) => {
      client.setRequests((connections[connection++ % connections.length] ?? []).map((headers) => ({ headers })));
    },
  });
  void running.on('response', (_client, _status, _bytes, milliseconds) => latencies.add(milliseconds));
  const result = await running;
  const others = Object.keys(result.statusCodeStats).filter((status) => status !== '200');
  if (others.length > 0 || result.errors > 0 || result.timeouts > 0) {
    throw new Error(`${url} answered ${JSON.stringify(result.statusCodeStats)}, with ${result.errors} errors`);
  }
  return { operations: latencies.length, seconds: result.duration, ...latencies.percentiles() };
}
