import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { DataSource, InstanceChecker, type Logger } from 'typeorm';
import type { SigraModuleExtras, SigraModuleOptions } from '../config/sigra-options.js';
import { sigraMigrations } from '../persistence/migrations/sigra-migrations.js';
import { sigraEntities } from '../persistence/sigra-entities.js';
import type { Arguments } from './arguments.js';
import { UsageError } from './usage-error.js';

/** The set-up of the host. */
export interface HostSetUp {
  /** Not initialized. */
  readonly dataSource: DataSource;
  /** The export `sigra` of the file; undefined without one. */
  readonly options: (SigraModuleOptions & SigraModuleExtras) | undefined;
  /** The export `app` of the file: a Nest application, a promise of it, or a function that makes it; undefined without one. */
  readonly app: unknown;
}

/** Milliseconds. */
const CONNECT_TIMEOUT = 10_000;
/** SQL on the standard output would mix with the results. */
const SILENT: Logger = {
  logQuery: () => undefined,
  logQueryError: () => undefined,
  logQuerySlow: () => undefined,
  logSchemaBuild: () => undefined,
  logMigration: () => undefined,
  log: () => undefined,
};

/**
 * Finds the set-up of the host: the file of `--data-source`, or else the database of `DATABASE_URL`.
 *
 * @throws UsageError when there is neither, or the file cannot be used
 */
export async function findSetUp(args: Arguments): Promise<HostSetUp> {
  const path = args.text('data-source');
  const setUp = path === undefined ? fromEnvironment(args) : await fromFile(path);
  // As TypeORM's command line: a command changes only what it says.
  setUp.dataSource.setOptions({ synchronize: false, migrationsRun: false, dropSchema: false, logger: SILENT });
  return setUp;
}

function fromEnvironment(args: Arguments): HostSetUp {
  const url = process.env.DATABASE_URL;
  if (!url) throw new UsageError('Name a data-source file with -d, or set the environment variable DATABASE_URL.');
  const schema = args.text('schema');
  const dataSource = new DataSource({
    type: 'postgres',
    url,
    ...(schema !== undefined && { schema }),
    applicationName: 'sigra',
    entities: [...sigraEntities],
    migrations: [...sigraMigrations],
    migrationsTransactionMode: 'each',
    connectTimeoutMS: CONNECT_TIMEOUT,
    extra: { max: 4 },
  });
  return { dataSource, options: undefined, app: undefined };
}

async function fromFile(path: string): Promise<HostSetUp> {
  const names = await load(path);
  const found = new Map<DataSource, string>();
  for (const [name, value] of Object.entries(names)) {
    const awaited: unknown = await value;
    if (InstanceChecker.isDataSource(awaited) && !found.has(awaited)) found.set(awaited, name);
  }
  const [first, ...others] = found.keys();
  const byDefault: unknown = await names.default;
  const dataSource = InstanceChecker.isDataSource(byDefault) ? byDefault : others.length > 0 ? undefined : first;
  if (!dataSource) {
    const problem = first
      ? `exports several (${[...found.values()].join(', ')}): make one the default`
      : 'exports none';
    throw new UsageError(`${path} has to export one DataSource, but it ${problem}.`);
  }
  const options: unknown = await names.sigra;
  if (options !== undefined && (typeof options !== 'object' || options === null)) {
    throw new UsageError(`The export sigra of ${path} has to be the options of SigraModule.`);
  }
  return { dataSource, options: options as HostSetUp['options'], app: names.app };
}

async function load(path: string): Promise<Readonly<Record<string, unknown>>> {
  let names: Readonly<Record<string, unknown>>;
  try {
    names = (await import(pathToFileURL(resolve(path)).href)) as Readonly<Record<string, unknown>>;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const hint =
      code === 'ERR_UNKNOWN_FILE_EXTENSION'
        ? ' Build it first, or register a loader: NODE_OPTIONS="--import tsx" npx sigra …'
        : '';
    throw new UsageError(`${path} cannot be loaded: ${message}.${hint}`);
  }
  // Node finds most of the names of a CommonJS file, and puts all of them into the default.
  const { default: exported } = names;
  const isCommonJs = typeof exported === 'object' && exported !== null && !InstanceChecker.isDataSource(exported);
  return isCommonJs ? { ...names, default: undefined, ...(exported as Readonly<Record<string, unknown>>) } : names;
}
