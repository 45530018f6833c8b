import { setTimeout } from 'node:timers/promises';
import type { DataSource, QueryRunner } from 'typeorm';
import { type Command, type CommandCall, DATABASE_OPTIONS, EXIT, type ExitCode } from './command.js';
import { textTable } from './text-table.js';
import { UsageError } from './usage-error.js';

/** The number of the lock in docs/operations.md, so that both exclude each other. */
const LOCK = 5_740_302;
const POLL_MS = 200;

interface MigrationState {
  readonly name: string;
  readonly isSigra: boolean;
  readonly state: 'executed' | 'pending';
}

/** Shows and runs the migrations of the DataSource. */
export const migrationCommands: readonly Command[] = [
  {
    name: 'migration status',
    summary: 'Lists the migrations of the DataSource. Exits with 3 while some are pending.',
    options: DATABASE_OPTIONS,
    run: (call) =>
      withDataSource(call, async (dataSource) => {
        const migrations = await statesOf(dataSource);
        await print(call, migrations);
        return migrations.every(({ state }) => state === 'executed') ? EXIT.ok : EXIT.findings;
      }),
  },
  {
    name: 'migration run',
    summary: 'Runs the pending migrations of the DataSource, each in its transaction, one node at a time.',
    details:
      'With a data-source file, these are yours and those of Sigra. Connect to PostgreSQL itself, not to a pooler.',
    options: DATABASE_OPTIONS,
    run: (call) =>
      withDataSource(call, async (dataSource) => {
        await locked(dataSource, call.signal, () => dataSource.runMigrations({ transaction: 'each' }));
        await print(call, await statesOf(dataSource));
        return EXIT.ok;
      }),
  },
];

function print({ output }: CommandCall, migrations: readonly MigrationState[]): Promise<void> {
  return output.result({ migrations }, () =>
    textTable(migrations, { STATE: (each) => each.state, NAME: (each) => each.name }),
  );
}

async function statesOf(dataSource: DataSource): Promise<readonly MigrationState[]> {
  const [{ MigrationExecutor }, { sigraMigrations, sigraPartitionMigrations }] = await Promise.all([
    import('typeorm'),
    import('../persistence/migrations/sigra-migrations.js'),
  ]);
  const required = sigraMigrations.map((each) => new each().name);
  const own = new Set([...required, ...sigraPartitionMigrations.map((each) => new each().name)]);
  // It reads, and makes no table of migrations.
  const pending = new Set((await new MigrationExecutor(dataSource).getPendingMigrations()).map(({ name }) => name));
  const names = dataSource.migrations.map((each) => each.name ?? each.constructor.name);
  if (!required.every((name) => names.includes(name))) {
    throw new UsageError('The DataSource lacks migrations of Sigra: add ...sigraMigrations to its migrations.');
  }
  return names
    .map((name): MigrationState => ({
      name,
      isSigra: own.has(name),
      state: pending.has(name) ? 'pending' : 'executed',
    }))
    .sort((one, other) => timeOf(one.name) - timeOf(other.name));
}

/** The 13 digits at the end of a name, by which TypeORM orders. */
function timeOf(name: string): number {
  return Number(name.slice(-13));
}

/** Runs work while no other process migrates. */
async function locked<T>(dataSource: DataSource, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const runner = dataSource.createQueryRunner();
  try {
    // Not pg_advisory_lock: CREATE INDEX CONCURRENTLY waits for all statements, and this one would wait for it.
    while (!(await ask(runner, 'pg_try_advisory_lock'))) await setTimeout(POLL_MS, undefined, { signal });
    try {
      return await work();
    } finally {
      await ask(runner, 'pg_advisory_unlock');
    }
  } finally {
    await runner.release();
  }
}

async function ask(runner: QueryRunner, lock: string): Promise<boolean> {
  const rows = (await runner.query(`SELECT (${lock}($1))::text AS done`, [LOCK])) as { done: string }[];
  return rows[0]?.done === 'true';
}

async function withDataSource(
  { args }: CommandCall,
  work: (dataSource: DataSource) => Promise<ExitCode>,
): Promise<ExitCode> {
  const { findSetUp } = await import('./data-source.file.js');
  const { dataSource } = await findSetUp(args);
  if (!dataSource.isInitialized) await dataSource.initialize();
  try {
    return await work(dataSource);
  } finally {
    await dataSource.destroy();
  }
}
