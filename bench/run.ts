import { measuredCommit } from './harness/commit.js';
import { describeMachine } from './harness/machine.js';
import { prepare } from './harness/prepare.js';
import { keepSection } from './harness/results.js';
import type { Findings } from './harness/section.js';
import { FULL, QUICK } from './harness/settings.js';
import type { Stage } from './harness/stage.js';

interface Benchmark {
  readonly title: string;
  run(stage: Stage): Promise<Findings>;
}

// Imported only when it runs, because the library has to be built first.
const benchmarks: Readonly<Record<string, () => Promise<Benchmark>>> = {
  verify: () => import('./verify.js'),
  http: () => import('./http.js'),
  refresh: () => import('./refresh.js'),
  writes: () => import('./writes.js'),
  scale: () => import('./scale.js'),
  replicas: () => import('./replicas.js'),
  'lock-out': () => import('./lock-out.js'),
  soak: () => import('./soak.js'),
};
const order = Object.keys(benchmarks);

const args = process.argv.slice(2);
const quick = args.includes('--quick');
const asked = args.filter((each) => each !== '--quick');
const unknown = asked.filter((each) => !(each in benchmarks));
if (unknown.length > 0) {
  console.error(`There is no benchmark ${unknown.join(', ')}. Usage: npm run bench -- [${order.join('|')}…] [--quick]`);
  process.exit(1);
}

// Without these, a signal would skip the exit handlers, which end every process and release the huge pages.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

await prepare();
const commit = measuredCommit();
const { Stage: SharedStage } = await import('./harness/stage.js');
const { DatabaseServer } = await import('./harness/database.js');
const stage = new SharedStage(quick ? QUICK : FULL);
try {
  for (const name of asked.length > 0 ? asked : order) await runOne(name);
} finally {
  await stage.close();
}

async function runOne(name: string): Promise<void> {
  const benchmark = await benchmarks[name]?.();
  if (!benchmark) return;
  stage.say(`${name}: ${benchmark.title}`);
  const start = performance.now();
  const findings = await benchmark.run(stage);
  const report = await keepSection(
    name,
    {
      title: benchmark.title,
      date: new Date().toISOString().slice(0, 10),
      commit,
      minutes: (performance.now() - start) / 60_000,
      quick,
      machine: await describeMachine(DatabaseServer.hadHugePages),
      ...findings,
    },
    order,
  );
  stage.say(`${name} is in ${report.pathname}`);
}
