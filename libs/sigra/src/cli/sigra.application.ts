import { userInfo } from 'node:os';
import { type INestApplicationContext, type LoggerService, Module } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import type { ApiTokenAdminService } from '../tokens/api-token-admin.service.js';
import type { ApiTokenService } from '../tokens/api-token.service.js';
import type { AuditService } from '../audit/audit.service.js';
import type { Caller } from '../common/caller.js';
import { type OwnerReference, ownerRef } from '../common/owner-reference.js';
import { DEFAULT_OWNER_TYPE } from '../common/principal.js';
import type { SigraConfig } from '../config/sigra-config.js';
import type { SigraModuleOptions } from '../config/sigra-options.js';
import type { CredentialService } from '../owners/credential.service.js';
import type { TokenCleanupService } from '../maintenance/token-cleanup.service.js';
import type { CommandCall } from './command.js';
import { findSetUp, type HostSetUp } from './data-source.file.js';
import { UsageError } from './usage-error.js';

/** The services, as an application has them. */
export interface SigraServices {
  readonly config: SigraConfig;
  readonly dataSource: DataSource;
  readonly tokens: ApiTokenService;
  readonly admin: ApiTokenAdminService;
  readonly credentials: CredentialService;
  readonly audit: AuditService;
  readonly cleanup: TokenCleanupService;
  /** Those of the options, or those that have credentials. */
  readonly ownerTypes: readonly string[];
  /** The type of `--owner-type`, or that of the users. */
  readonly ownerType: string;
  /** The owner of that type with an id. */
  readonly ownerOf: (id: string) => OwnerReference;
  /** For the audit trail: the actor type `cli`, with the account of the operating system. */
  readonly caller: Caller;
}

/** The set-up that a command needs. */
export interface ServiceNeeds {
  /** Why the options of SigraModule are needed. @default they are not: a default of them is enough */
  readonly options?: string;
}

/**
 * Runs work with the services of an application that serves nothing: schedules, notices and routes are off. All rules and audit
 * rows are those of the services. On Ctrl-C the application is closed, which ends what is under way.
 *
 * @throws UsageError when the set-up is not sufficient
 */
export async function withSigra<T>(
  { args, output, signal }: CommandCall,
  needs: ServiceNeeds,
  work: (sigra: SigraServices) => Promise<T>,
): Promise<T> {
  const setUp = await findSetUp(args);
  if (needs.options !== undefined && !setUp.options) {
    throw new UsageError(
      `${needs.options} Export the options of SigraModule as \`sigra\` from a data-source file, and name it with -d: export const sigra = { users: { entity: User }, … }`,
    );
  }
  const { dataSource } = setUp;
  signal.throwIfAborted();
  if (!dataSource.isInitialized) await dataSource.initialize();
  try {
    const ownerType = args.text('owner-type');
    const options = setUp.options ?? withoutUsers(await ownerTypesIn(dataSource));
    const application = await startApplication(dataSource, options, stderrLogger(output.note.bind(output)));
    try {
      return await Promise.race([servicesOf(application, dataSource, ownerType).then(work), rejectOnAbort(signal)]);
    } finally {
      await application.close();
    }
  } finally {
    if (dataSource.isInitialized) await dataSource.destroy();
  }
}

/** Provides the DataSource of the host. */
@Module({})
class CommandLineModule {}

/** Rejects with the reason of the signal. */
function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

async function startApplication(
  dataSource: DataSource,
  options: NonNullable<HostSetUp['options']>,
  logger: LoggerService,
): Promise<INestApplicationContext> {
  // Loaded late: the help and the key generator need neither Nest nor TypeORM.
  const [{ NestFactory }, { getDataSourceToken }, { SigraModule }] = await Promise.all([
    import('@nestjs/core'),
    import('@nestjs/typeorm'),
    import('../sigra.module.js'),
  ]);
  const provide = getDataSourceToken();
  const module = {
    module: CommandLineModule,
    global: true,
    providers: [{ provide, useValue: dataSource }],
    exports: [provide],
    imports: [SigraModule.forRoot(withoutSchedules(options))],
  };
  return NestFactory.createApplicationContext(module, { logger, abortOnError: false });
}

/** A command does its work and ends: what an application does by itself is off. */
function withoutSchedules(options: NonNullable<HostSetUp['options']>): SigraModuleOptions {
  const rest = withoutExtras(options);
  return {
    ...rest,
    apiTokens: { ...rest.apiTokens, onExpiring: undefined, onUnused: undefined },
    cleanup: { ...rest.cleanup, schedule: false },
    routes: 'off',
  };
}

/** The options that `resolveConfig` takes. */
export function withoutExtras(options: NonNullable<HostSetUp['options']>): SigraModuleOptions {
  const { isGlobal, dataSource, controllers, ...rest } = options;
  return rest;
}

/** Enough to read, to revoke and to lock out. Owners of another type are not users: audit rows have their type. */
function withoutUsers(types: readonly string[]): SigraModuleOptions {
  const unknown = () => ({ provider: { findByIds: () => Promise.resolve([]) } });
  const others = types.filter((type) => type !== DEFAULT_OWNER_TYPE);
  return { users: unknown(), owners: Object.fromEntries(others.map((type) => [type, unknown()])) };
}

/** The types of owners that have credentials, in place of those of the options. */
async function ownerTypesIn(dataSource: DataSource): Promise<readonly string[]> {
  const [{ findQualifiedNames }, { ownerTypesQuery }] = await Promise.all([
    import('../persistence/qualified-names.js'),
    import('../persistence/owner-types.query.js'),
  ]);
  try {
    const names = await findQualifiedNames(dataSource);
    const [row] = await dataSource.query<{ found: string }[]>(ownerTypesQuery(names));
    return JSON.parse(row?.found ?? '[]') as string[];
  } catch {
    // The start of the application says what is missing.
    return [];
  }
}

/** @throws UsageError for a type of owners that the application does not have */
async function servicesOf(
  application: INestApplicationContext,
  dataSource: DataSource,
  givenType: string | undefined,
): Promise<SigraServices> {
  const [config, tokens, admin, credentials, audit, cleanup] = await Promise.all([
    import('../config/sigra-config.js'),
    import('../tokens/api-token.service.js'),
    import('../tokens/api-token-admin.service.js'),
    import('../owners/credential.service.js'),
    import('../audit/audit.service.js'),
    import('../maintenance/token-cleanup.service.js'),
  ]);
  const resolved = application.get<SigraConfig>(config.SIGRA_CONFIG);
  const types = resolved.ownerTypes.map(({ type }) => type);
  const ownerType = givenType ?? resolved.users.type;
  if (!types.includes(ownerType)) throw new UsageError(`--owner-type is one of ${types.join(', ')}.`);
  return {
    config: resolved,
    dataSource,
    ownerTypes: types,
    ownerType,
    ownerOf: (id) => ownerRef(ownerType, id),
    tokens: application.get(tokens.ApiTokenService),
    admin: application.get(admin.ApiTokenAdminService),
    credentials: application.get(credentials.CredentialService),
    audit: application.get(audit.AuditService),
    cleanup: application.get(cleanup.TokenCleanupService),
    caller: { actor: { type: 'cli', id: accountName() } },
  };
}

/** Undefined for an account without a name, as in some containers. */
function accountName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}

/** Warnings and errors only. */
export function stderrLogger(note: (text: string) => void): LoggerService {
  const print = (message: unknown) => note(message instanceof Error ? message.message : String(message));
  return { log: () => undefined, warn: print, error: print };
}
