import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { isOutage, SigraError } from '../common/sigra-error.js';
import { SigraConfigError } from '../config/sigra-config-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { SigraDatabase } from './sigra-database.js';

/** The users of an owner type, and how many modules of this process have claimed it for them. */
interface Claim {
  readonly users: object;
  modules: number;
}

/** The owner types of all modules in this process, by table and type. */
const claims = new Map<string, Claim>();

/**
 * Refuses a second module with the same owner type and tables, but other users: customer 1 would then own what belongs to
 * admin 1.
 */
@Injectable()
export class OwnerTypeClaim implements OnApplicationBootstrap, OnModuleDestroy {
  private key: string | undefined;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly database: SigraDatabase,
  ) {}

  /** @throws SigraConfigError when another module has claimed the type for other users */
  async onApplicationBootstrap(): Promise<void> {
    const { type, source } = this.config.users;
    const users = source.kind === 'entity' ? source.entity : source.provider;
    const identity = await this.identify().catch(ifOutage);
    // The application can start while the database cannot be reached.
    if (identity === undefined) return;
    const key = `${identity} ${type}`;
    const claim = claims.get(key) ?? { users, modules: 0 };
    if (claim.users !== users) {
      throw new SigraConfigError(
        'users.type',
        `is "${type}" in two modules on the same tables, with different users; give one of them another type, such as "${type}_2"`,
      );
    }
    claim.modules++;
    claims.set(key, claim);
    this.key = key;
  }

  onModuleDestroy(): void {
    const claim = this.key === undefined ? undefined : claims.get(this.key);
    if (claim && --claim.modules === 0) claims.delete(this.key ?? '');
    this.key = undefined;
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

function ifOutage(error: unknown): undefined {
  if (error instanceof SigraError && isOutage(error)) return undefined;
  throw error;
}
