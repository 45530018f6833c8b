import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock, replacedTime } from '../common/clock.js';
import type { TokenKinds } from '../common/token-kinds.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { currentTime } from './columns.js';
import { RecordList } from './record-list.js';
import { SigraDatabase } from './sigra-database.js';
import { Parameters, Sql } from './sql.js';
import { type ApiToken, apiTokens, type IdempotencyKeyRow, idempotencyKeys } from './tables.js';

/** A kept answer, and its token. */
export interface KeptAnswer {
  readonly answer: IdempotencyKeyRow;
  readonly token: ApiToken;
}

type NewAnswer = Omit<IdempotencyKeyRow, 'expiresAt'> & { readonly keyHash: string };

const { keyHash, requestHash, tokenId, sealedToken } = idempotencyKeys.columns;
const given = new RecordList('given', { keyHash, requestHash, tokenId, sealedToken });

/** How long an answer can be repeated. */
const KEPT_SECONDS = 600;
/** A request with a key deletes more expired answers than it adds, so that no sealed token stays long. */
const EXPIRED_PER_REQUEST = 10;

/** SQL of hashes, which the first parameter lists in hex. */
const HASHES = `ARRAY(SELECT decode(hash, 'hex') FROM unnest($1::text[]) AS hash)`;

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

  /** Which of these hashes have an answer, within ten minutes. */
  async findKept(manager: EntityManager, keyHashes: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.database.query<{ keyHash: string }>(
      `SELECT encode(key_hash, 'hex') AS "keyHash" FROM ${this.table}
       WHERE key_hash = ANY (${HASHES}) AND expires_at > ${currentTime('$2')}`,
      [keyHashes, replacedTime(this.clock)],
      manager,
    );
    return new Set(rows.map(({ keyHash }) => keyHash));
  }

  /** Keeps answers for ten minutes, and deletes some that have expired. */
  async insertAll(manager: EntityManager, answers: readonly NewAnswer[]): Promise<void> {
    const replaced = replacedTime(this.clock);
    await this.database.query(
      `DELETE FROM ${this.table} WHERE expires_at <= ${currentTime('$2')} AND (key_hash = ANY (${HASHES}) OR key_hash IN (
         SELECT key_hash FROM ${this.table} WHERE expires_at <= ${currentTime('$2')}
         ORDER BY expires_at LIMIT $3 FOR UPDATE SKIP LOCKED))`,
      [answers.map(({ keyHash }) => keyHash), replaced, EXPIRED_PER_REQUEST * answers.length],
      manager,
    );
    const parameters = new Parameters();
    const source = given.from(parameters.add(JSON.stringify(answers.map((answer) => given.encode(answer)))));
    const expiresAt = new Sql(`${currentTime(parameters.add(replaced))} + make_interval(secs => ${KEPT_SECONDS})`);
    const insert = idempotencyKeys.insertFrom(source, this.table, { ...given.values, expiresAt }, parameters);
    await this.database.query(insert, parameters.values, manager);
  }
}
