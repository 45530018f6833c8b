import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock, replacedTime } from '../common/clock.js';
import type { TokenKinds } from '../common/token-kinds.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { currentTime } from './columns.js';
import { SigraDatabase } from './sigra-database.js';
import { Parameters, Sql } from './sql.js';
import type { NewRowOf } from './table.js';
import { type ApiToken, apiTokens, type IdempotencyKeyRow, idempotencyKeys } from './tables.js';

/** A kept answer, and its token. */
export interface KeptAnswer {
  readonly answer: IdempotencyKeyRow;
  readonly token: ApiToken;
}

type NewAnswer = Omit<NewRowOf<typeof idempotencyKeys.columns>, 'expiresAt'>;

/** How long an answer can be repeated. */
const KEPT_SECONDS = 600;
/** A request with a key deletes more expired answers than it adds, so that no sealed token stays long. */
const EXPIRED_PER_REQUEST = 10;

/** Reads and writes `sigra_idempotency_keys`. */
@Injectable()
export class IdempotencyKeyRepository {
  private readonly kinds: TokenKinds;
  private readonly table: string;

  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly database: SigraDatabase,
    private readonly clock: Clock,
  ) {
    this.kinds = config.apiTokens.kinds;
    this.table = database.names.idempotencyKeys;
  }

  /** Finds an answer by the hash of its key, in hex, within ten minutes. */
  async find(keyHash: string, manager?: EntityManager): Promise<KeptAnswer | undefined> {
    const [row] = await this.database.query<{ answer: string; token: string }>(
      `SELECT ${idempotencyKeys.packed('k')} AS answer, ${apiTokens.packed('t')} AS token
       FROM ${this.table} k JOIN ${this.database.names.apiTokens} t ON t.id = k.token_id
       WHERE k.key_hash = decode($1, 'hex') AND k.expires_at > ${currentTime('$2')}`,
      [keyHash, replacedTime(this.clock)],
      manager,
    );
    return row && { answer: idempotencyKeys.unpack(row.answer), token: this.kinds.label(apiTokens.unpack(row.token)) };
  }

  /** Keeps an answer for ten minutes, and deletes some that have expired. */
  async insert(manager: EntityManager, answer: NewAnswer): Promise<void> {
    const replaced = replacedTime(this.clock);
    await this.database.query(
      `DELETE FROM ${this.table} WHERE expires_at <= ${currentTime('$2')} AND (key_hash = decode($1, 'hex') OR key_hash IN (
         SELECT key_hash FROM ${this.table} WHERE expires_at <= ${currentTime('$2')}
         ORDER BY expires_at LIMIT ${EXPIRED_PER_REQUEST} FOR UPDATE SKIP LOCKED))`,
      [answer.keyHash, replaced],
      manager,
    );
    const parameters = new Parameters();
    const expiresAt = new Sql(`${currentTime(parameters.add(replaced))} + make_interval(secs => ${KEPT_SECONDS})`);
    const insert = idempotencyKeys.insert(this.table, [{ ...answer, expiresAt }], parameters);
    await this.database.query(insert, parameters.values, manager);
  }
}
