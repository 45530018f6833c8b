import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { stateOfProcess } from '../common/package-copies.js';
import { isOutage, SigraError } from '../common/sigra-error.js';
import { SigraConfigError } from '../config/sigra-config-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { OwnerTypeConfig } from '../config/users.section.js';
import { sqlState } from './database-error.js';
import { quote } from './qualified-names.js';
import { SchemaCheck } from './schema.check.js';
import { SigraDatabase } from './sigra-database.js';
import { Parameters } from './sql.js';
import { ownerTypes } from './tables.js';
import { OWNER_ENTITIES, type OwnerEntities, type UserEntity } from './user-entity.js';

/** The users of an owner type, and how many modules of this process have claimed it for them. */
interface Claim {
  readonly users: object;
  modules: number;
}

/** The owner types of all modules in this process, by table and type. */
const claims = stateOfProcess('ownerTypes', () => new Map<string, Claim>());

const RETRY_MS = 1000;
/** SQLSTATEs of a read-only transaction and of a missing privilege. */
const CANNOT_WRITE: ReadonlySet<string> = new Set(['25006', '42501']);

/**
 * Refuses a second module with the same owner type and tables, but other users: customer 1 would then own what belongs to
 * admin 1. In one process their entity or provider is compared; across processes, the database has the table of users of
 * each type.
 */
@Injectable()
export class OwnerTypeClaim implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(OwnerTypeClaim.name);
  private readonly keys = new Set<string>();
  private retrying: NodeJS.Timeout | undefined;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly database: SigraDatabase,
    private readonly schema: SchemaCheck,
    @Inject(OWNER_ENTITIES) private readonly entities: OwnerEntities,
  ) {}

  /** @throws SigraConfigError when the type belongs to other users, or Sigra's tables are incomplete */
  async onApplicationBootstrap(): Promise<void> {
    try {
      await this.claim();
    } catch (error) {
      // The application can start while the database cannot be reached.
      if (!isUnavailable(error)) throw error;
      this.claimLater();
    }
  }

  onModuleDestroy(): void {
    clearTimeout(this.retrying);
    for (const key of this.keys) {
      const claim = claims.get(key);
      if (claim && --claim.modules === 0) claims.delete(key);
    }
    this.keys.clear();
  }

  private async claim(): Promise<void> {
    await this.schema.assertComplete();
    for (const owners of this.config.ownerTypes) {
      const entity = this.entities.get(owners.type);
      // A provider can find the same users in other ways in each application.
      if (entity) await this.claimInDatabase(owners, entity);
      await this.claimInProcess(owners);
    }
  }

  /** Until it succeeds. When it is refused, so is every use of the database, because the boot cannot fail any more. */
  private claimLater(): void {
    this.retrying = setTimeout(() => {
      this.claim().catch((error: unknown) => {
        if (isUnavailable(error)) {
          this.claimLater();
          return;
        }
        this.logger.error(error);
        this.database.rejectAll(error as Error);
      });
    }, RETRY_MS).unref();
  }

  private async claimInProcess(owners: OwnerTypeConfig): Promise<void> {
    const { type, source } = owners;
    const users = source.kind === 'entity' ? source.entity : source.provider;
    const key = `${await this.identify()} ${type}`;
    if (this.keys.has(key)) return;
    const claim = claims.get(key) ?? { users, modules: 0 };
    if (claim.users !== users) {
      throw conflict(
        owners,
        'in two modules on the same tables, with different users',
        '. If they are the same users, give both modules the same entity or provider',
      );
    }
    claim.modules++;
    claims.set(key, claim);
    this.keys.add(key);
  }

  private async claimInDatabase(owners: OwnerTypeConfig, entity: UserEntity): Promise<void> {
    if (await this.isClaimed(owners, entity)) return;
    const table = this.database.names.ownerTypes;
    const { type: ownerType } = owners;
    const claim = { ownerType, userTable: entity.tableName, idColumn: entity.id.column.databaseName };
    const parameters = new Parameters();
    const insert = ownerTypes.insert(`${table} AS claim`, [claim], parameters);
    try {
      await this.database.transaction(
        (manager) =>
          this.database.query(
            `${insert} ON CONFLICT (owner_type) DO UPDATE SET user_table = excluded.user_table, id_column = excluded.id_column
             WHERE NOT ${isInUse('claim')}`,
            parameters.values,
            manager,
          ),
        undefined,
        { settles: false },
      );
    } catch (error) {
      // A node that only verifies can have no right to write. It does not belong to other users, which was checked.
      if (!CANNOT_WRITE.has(sqlState(error) ?? '')) throw error;
      this.logger.warn(`The owner type "${ownerType}" could not be claimed in ${table}: ${String(error)}`);
      return;
    }
    // Another application can have claimed it in between.
    await this.isClaimed(owners, entity);
  }

  /** @throws SigraConfigError when the type belongs to the users of another table or column, which exist */
  private async isClaimed(owners: OwnerTypeConfig, { tableName, id }: UserEntity): Promise<boolean> {
    const table = this.database.names.ownerTypes;
    const column = id.column.databaseName;
    const [found] = await this.database.query<{ claim: string; used: string }>(
      `SELECT ${ownerTypes.packed('claim')} AS claim, ${isInUse('claim')}::text AS used FROM ${table} claim WHERE owner_type = $1`,
      [owners.type],
    );
    if (!found) return false;
    const { userTable, idColumn } = ownerTypes.unpack(found.claim);
    if (userTable === tableName && idColumn === column) return true;
    if (found.used === 'true') {
      throw conflict(
        owners,
        `for the ids in ${tableName}.${quote(column)}, but belongs to ${userTable}.${quote(idColumn)} in this database`,
        `. If no application uses these any more, delete the row of the type from ${table}`,
      );
    }
    return false;
  }

  /** Two DataSources can lead to the same table, under other names. */
  private async identify(): Promise<string> {
    const { owners } = this.database.names;
    const { identity } = await this.database.queryOne<{ identity: string }>(
      `SELECT concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()),
         (SELECT oid FROM pg_database WHERE datname = current_database()), coalesce(to_regclass($1)::oid::text, $1)) AS identity`,
      [owners],
    );
    return identity;
  }
}

/** SQL for whether the table and the column of a claim exist. After a rename there can be a view with the old name. */
function isInUse(claim: string): string {
  return `EXISTS (
    SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    WHERE c.oid = to_regclass(${claim}.user_table) AND c.relkind IN ('r', 'p', 'f')
      AND a.attname = ${claim}.id_column AND NOT a.attisdropped)`;
}

function isUnavailable(error: unknown): boolean {
  return error instanceof SigraError && isOutage(error);
}

function conflict({ path, type }: OwnerTypeConfig, problem: string, otherRemedy = ''): SigraConfigError {
  const remedy = `give one of them another type, such as "${type}_2"${otherRemedy}`;
  return new SigraConfigError(path === 'users' ? 'users.type' : path, `is "${type}" ${problem}; ${remedy}`);
}
