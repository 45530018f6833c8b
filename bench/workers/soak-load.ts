import autocannon, { type Client } from 'autocannon';
import { serve } from '../harness/child-api.js';
import { Latencies } from '../harness/sample.js';
import { CONNECTIONS, EXPECTED, requestsOf, type Role, type SignIn } from '../soak/mixed-load.js';

const methods = { run };
export type SoakLoad = typeof methods;
serve(methods);

const plan = (Object.keys(CONNECTIONS) as Role[]).flatMap((role) =>
  Array.from({ length: CONNECTIONS[role] }, (_, index) => ({ role, index })),
);

/** @param signIns one for each connection */
async function run({ url, seconds, signIns }: { url: string; seconds: number; signIns: readonly SignIn[] }) {
  const latencies = new Latencies();
  const roles = new Map<Client, Role>();
  const answers: Partial<Record<Role, number>> = {};
  const unexpected: Record<string, number> = {};
  const running = autocannon({
    url,
    connections: plan.length,
    duration: seconds,
    setupClient: (client) => {
      const connection = plan[roles.size];
      const signIn = signIns[roles.size];
      if (!connection || !signIn) throw new Error('more connections than planned');
      roles.set(client, connection.role);
      client.setRequests(requestsOf(connection.role, connection.index, signIn));
    },
  });
  void running.on('response', (client, status, _bytes, milliseconds) => {
    latencies.add(milliseconds);
    const role = roles.get(client) ?? 'token';
    answers[role] = (answers[role] ?? 0) + 1;
    if (EXPECTED[role].includes(status)) return;
    unexpected[`${role} ${status}`] = (unexpected[`${role} ${status}`] ?? 0) + 1;
  });
  const { duration, errors, timeouts } = await running;
  return { seconds: duration, answers, unexpected, errors: errors + timeouts, ...latencies.percentiles() };
}
