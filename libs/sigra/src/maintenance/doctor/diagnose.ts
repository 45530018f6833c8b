import type { DataSource } from 'typeorm';
import { SystemClock } from '../../common/clock.js';
import { Deadline } from '../../common/deadline.js';
import { type FrameworkAdapter, trustsEveryClient } from '../../common/proxy-trust.js';
import { resolveConfig } from '../../config/resolve-config.js';
import type { SigraConfig } from '../../config/sigra-config.js';
import type { SigraModuleOptions } from '../../config/sigra-options.js';
import { AuditPartitionRepository } from '../../persistence/audit-partition.repository.js';
import { clockDifference } from '../../persistence/clock-difference.js';
import { HealthRepository } from '../../persistence/health.repository.js';
import { keepsPreparedStatements } from '../../persistence/pooled-statements.js';
import { findQualifiedNames } from '../../persistence/qualified-names.js';
import { SchemaCheck } from '../../persistence/schema.check.js';
import { SetUpReader } from '../../persistence/set-up.reader.js';
import { SigraDatabase } from '../../persistence/sigra-database.js';
import { describeOwnerEntities } from '../../persistence/user-entity.js';
import { isMadeAhead } from '../audit-partition.keeper.js';
import { isOverdue, keptAfterRotation } from '../overdue.js';
import { clockCheck, connectionChecks, dataSourceChecks, poolSizeOf, statementCheck } from './connection.checks.js';
import { Diagnosis, type DiagnosisReport, findingOfOption, NotChecked } from './diagnosis.js';
import { type Check, type Finding, findingsOf } from './finding.js';
import { optionChecks } from './option.checks.js';
import { cleanupCheck, ownerTypeCheck, proxyCheck } from './state.checks.js';
import { findingOfDifference, partitionCheck, scanCheck, SCHEMA_CODES, tableChecks } from './table.checks.js';

/** What is examined. */
export interface ExaminedSetUp {
  readonly dataSource: DataSource;
  /** Undefined when they are not known. */
  readonly options: SigraModuleOptions | undefined;
  /** Finds the adapter of the application; undefined without an application. */
  readonly adapter: (() => Promise<FrameworkAdapter>) | undefined;
}

/** Milliseconds. A DataSource without a timeout would wait forever. */
const CONNECT_TIMEOUT = 10_000;
const NO_OPTIONS = 'The options of SigraModule are not known.';
/** Enough to read the tables. */
const WITHOUT_OPTIONS: SigraModuleOptions = { users: { provider: { findByIds: () => Promise.resolve([]) } } };

/** Looks for weaknesses of a set-up, without an application and without a write. */
export async function diagnose({ dataSource, options, adapter }: ExaminedSetUp): Promise<DiagnosisReport> {
  const diagnosis = new Diagnosis();
  const config = await examineOptions(diagnosis, options);
  await diagnosis.make(codesOf(dataSourceChecks), () => findingsOf(dataSourceChecks, dataSource));
  await diagnosis.make(['connection.unreachable'], () => connect(dataSource));
  const effective = config ?? resolveConfig(WITHOUT_OPTIONS);
  const lost = new NotChecked('The database cannot be reached.');
  const database = dataSource.isInitialized ? await openDatabase(diagnosis, dataSource, effective) : lost;
  await examineDatabase(diagnosis, effective, database);
  await examineState(diagnosis, config, database, adapter);
  return diagnosis.report;
}

async function examineOptions(
  diagnosis: Diagnosis,
  options: SigraModuleOptions | undefined,
): Promise<SigraConfig | undefined> {
  let config: SigraConfig | undefined;
  await diagnosis.make(['options.invalid'], () => {
    if (!options) throw new NotChecked(NO_OPTIONS);
    try {
      config = resolveConfig(options);
      return [];
    } catch (error) {
      return findingOfOption(error);
    }
  });
  await diagnosis.make(codesOf(optionChecks), () => {
    if (!config) throw new NotChecked(options ? 'The options are invalid.' : NO_OPTIONS);
    return findingsOf(optionChecks, config);
  });
  return config;
}

async function connect(dataSource: DataSource): Promise<readonly Finding[]> {
  try {
    if (!dataSource.isInitialized) await Deadline.after(CONNECT_TIMEOUT).limit(dataSource.initialize());
    return [];
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    const problem = `The database cannot be reached (${typeof code === 'string' ? code : 'no answer'}).`;
    const remedy = 'Check the address, the account and the password of the DataSource, and whether the server runs.';
    return [{ code: 'connection.unreachable', severity: 'error', problem, remedy }];
  }
}

/** The entities of the DataSource and of the owners are options as well. */
async function openDatabase(
  diagnosis: Diagnosis,
  dataSource: DataSource,
  config: SigraConfig,
): Promise<SigraDatabase | NotChecked> {
  let opened: SigraDatabase | NotChecked = new NotChecked('The DataSource does not know the tables of Sigra.');
  await diagnosis.make(['options.entities'], async () => {
    try {
      const database = new SigraDatabase(dataSource, config, await findQualifiedNames(dataSource));
      opened = database;
      await describeOwnerEntities(config, database);
      return [];
    } catch (error) {
      return findingOfOption(error).map((finding) => ({ ...finding, code: 'options.entities' }));
    }
  });
  return opened;
}

async function examineDatabase(
  diagnosis: Diagnosis,
  config: SigraConfig,
  database: SigraDatabase | NotChecked,
): Promise<void> {
  const opened = () => {
    if (database instanceof NotChecked) throw database;
    return database;
  };
  await diagnosis.make(Object.values(SCHEMA_CODES), async () =>
    (await new SchemaCheck(opened()).differences()).map(findingOfDifference),
  );
  const read = <Facts>(checks: readonly Check<Facts>[], facts: (database: SigraDatabase) => Promise<Facts>) =>
    diagnosis.make(codesOf(checks), async () => findingsOf(checks, await facts(opened())));
  await read(connectionChecks, async (opened) => {
    const { lookupTimeout } = config;
    return { ...(await new SetUpReader(opened).connection()), lookupTimeout };
  });
  await read([clockCheck], async (opened) => {
    const before = Date.now();
    return clockDifference(before, await new SetUpReader(opened).time());
  });
  await read(tableChecks, (opened) => new SetUpReader(opened).tables());
  await read([partitionCheck], async (opened) => {
    const partitions = await new AuditPartitionRepository(opened).find();
    return partitions && isMadeAhead(partitions, new Date());
  });
  await read([scanCheck], (opened) => new SetUpReader(opened).scannedTables());
  await read([statementCheck], async ({ dataSource }) => {
    if (!config.preparedStatements) return true;
    if (poolSizeOf(dataSource) < 2) throw new NotChecked('This check needs two connections.');
    return Deadline.after(CONNECT_TIMEOUT).limit(keepsPreparedStatements(dataSource));
  });
}

async function examineState(
  diagnosis: Diagnosis,
  config: SigraConfig | undefined,
  database: SigraDatabase | NotChecked,
  adapter: ExaminedSetUp['adapter'],
): Promise<void> {
  const known = () => {
    if (database instanceof NotChecked) throw database;
    if (!config) throw new NotChecked(NO_OPTIONS);
    return { config, database, reader: new SetUpReader(database) };
  };
  await diagnosis.make([cleanupCheck.code], async () => {
    const { config, database } = known();
    const { schedule } = config.cleanup;
    const { now, oldestExpiry } = await new HealthRepository(config, new SystemClock(), database).read();
    const overdue = oldestExpiry !== undefined && isOverdue(schedule, oldestExpiry, now, keptAfterRotation(config));
    return findingsOf([cleanupCheck], { schedule, isOverdue: overdue });
  });
  await diagnosis.make([ownerTypeCheck.code], async () => {
    const { config, reader } = known();
    const types = new Set([...config.ownerTypes.map(({ type }) => type), ...(await reader.claimedTypes())]);
    return findingsOf(
      [ownerTypeCheck],
      (await reader.ownerTypes()).filter((type) => !types.has(type)),
    );
  });
  await diagnosis.make([proxyCheck.code], async () => {
    if (adapter) return findingsOf([proxyCheck], trustsEveryClient(await adapter()));
    if (!(await known().reader.limitsAddresses())) return [];
    throw new NotChecked('Credentials have allowedIps, and the data-source file exports no application as `app`.');
  });
}

function codesOf(checks: readonly { readonly code: string }[]): readonly string[] {
  return checks.map(({ code }) => code);
}
