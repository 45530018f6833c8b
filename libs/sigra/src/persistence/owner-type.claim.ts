import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { isOutage, SigraError } from '../common/sigra-error.js';
import { SigraConfigError } from '../config/sigra-config-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { quote } from './qualified-names.js';
import { SchemaCheck } from './schema.check.js';
import { SigraDatabase } from './sigra-database.js';
import { USER_ENTITY, type UserEntity } from './user-entity.js';

/** The users of an owner type, and how many modules of this process have claimed it for them. */
interface Claim {
  readonly users: object;
  modules: number;
}

/** The owner types of all modules in this process, by table and type. */
const claims = new Map<string, Claim>();

const RETRY_MS = 1000;

/**
 * Refuses a second module with the same owner type and tables, but other users: customer 1 would then own what belongs to
 * admin 1. In one process their entity or provider is compared; across processes, the database has the table of users of each type.
 */
@Injectable()
export class OwnerTypeClaim implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(OwnerTypeClaim.name);
  private key: string | undefined;
  private retrying: NodeJS.Timeout | undefined;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly database: SigraDatabase,
    private readonly schema: SchemaCheck,
    @Inject(USER_ENTITY) private readonly entity: UserEntity | undefined,
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
    const claim = this.key === undefined ? undefined : claims.get(this.key);
    if (claim && --claim.modules === 0) claims.delete(this.key ?? '');
    this.key = undefined;
  }

  private async claim(): Promise<void> {
    await this.schema.assertComplete();
    const { entity } = this;
    // A provider can find the same users in other ways in each application.
    if (entity) await this.database.transaction((manager) => this.claimInDatabase(manager, entity));
    await this.claimInProcess();
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
        this.database.refuse(error as Error);
      });
    }, RETRY_MS).unref();
  }

  private async claimInProcess(): Promise<void> {
    const { type, source } = this.config.users;
    const users = source.kind === 'entity' ? source.entity : source.provider;
    const key = `${await this.identify()} ${type}`;
    const claim = claims.get(key) ?? { users, modules: 0 };
    if (claim.users !== users) throw this.conflict('in two modules on the same tables, with different users');
    claim.modules++;
    claims.set(key, claim);
    this.key = key;
  }

  private async claimInDatabase(manager: EntityManager, { tableName, id }: UserEntity): Promise<void> {
    const { type } = this.config.users;
    const { ownerTypes } = this.database.names;
    const claim = [type, tableName, id.column.databaseName];
    await this.database.query(
      `INSERT INTO ${ownerTypes} (owner_type, user_table, id_column) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
      claim,
      manager,
    );
    // A table or column that was renamed or dropped has no users any more.
    const { user_table, id_column, exists } = await this.database.queryOne<ClaimedType>(
      `SELECT user_table, id_column, EXISTS (
         SELECT FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = to_regclass(user_table) AND a.attname = id_column AND NOT a.attisdropped
       )::text AS exists FROM ${ownerTypes} WHERE owner_type = $1 FOR NO KEY UPDATE`,
      [type],
      manager,
    );
    if (user_table === tableName && id_column === id.column.databaseName) return;
    if (exists === 'true') {
      throw this.conflict(
        `for the ids in ${tableName}.${quote(id.column.databaseName)}, but belongs to ${user_table}.${quote(id_column)} in this database`,
        `. If no application uses these any more, delete the row of the type from ${ownerTypes}`,
      );
    }
    await this.database.query(
      `UPDATE ${ownerTypes} SET user_table = $2, id_column = $3 WHERE owner_type = $1`,
      claim,
      manager,
    );
  }

  private conflict(problem: string, otherRemedy = ''): SigraConfigError {
    const { type } = this.config.users;
    const remedy = `give one of them another type, such as "${type}_2"${otherRemedy}`;
    return new SigraConfigError('users.type', `is "${type}" ${problem}; ${remedy}`);
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

interface ClaimedType {
  readonly user_table: string;
  readonly id_column: string;
  readonly exists: string;
}

function isUnavailable(error: unknown): boolean {
  return error instanceof SigraError && isOutage(error);
}
