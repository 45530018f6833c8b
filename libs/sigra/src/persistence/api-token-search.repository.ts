import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { CursorPosition, ListOrder } from '../common/cursor.js';
import type { TokenKinds } from '../common/token-kinds.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { COMPARED, conditionsOf, INDEXED, type ResolvedTokenFilter } from './api-token-filter.js';
import { integer, text, textArray } from './columns.js';
import { KEYSETS } from './keyset.js';
import { currentEpoch } from './owner.repository.js';
import { PackedRow, type RowOf } from './packed-row.js';
import { SigraDatabase } from './sigra-database.js';
import { Parameters } from './sql.js';
import { type ApiToken, apiTokens, type ApiTokenState, type LookedUpApiToken } from './tables.js';
import { expirySql } from './token-expiry.js';

/** The page of a search to read. */
export interface TokenSearchPage {
  readonly order: ListOrder;
  readonly limit: number;
  readonly position: CursorPosition | undefined;
}

/** What one statement of a search has found. */
export interface FoundTokens {
  /** Up to `limit`. */
  readonly tokens: readonly LookedUpApiToken[];
  /** Where the search continues; undefined when all tokens have been looked at. */
  readonly next: CursorPosition | undefined;
}

const matching = {
  /** The number of all tokens, at most `MAX_MATCHING` and one. */
  count: integer(),
  /** Of all tokens. Sets of the same tokens have the same digest, and a token counts as the same after its rotation. */
  digest: text(),
  /** The ids that the first tokens keep when they are rotated. */
  lines: textArray(),
  /** The owners of the first tokens. */
  ownerIds: textArray(),
  /** The number of all tokens without those of `lines`. */
  othersCount: integer(),
  /** Of all tokens without those of `lines`. */
  othersDigest: text(),
};
const packedMatching = new PackedRow(matching);

/** Tokens that match a filter and are not revoked. */
export type MatchingTokens = RowOf<typeof matching>;

/** No more tokens of a filter are counted. */
export const MAX_MATCHING = 100_000;
/** A page looks at so many tokens at most: a filter without an index can match one in a million. */
export const TOKENS_SEEN = 50_000;
/** SQL of `makerIdOf`. */
const LINE = 'coalesce(t.origin_id, t.id)';
/** Counting the matches among a million tokens can take longer than a request may. */
const COUNT_TIMEOUT_MS = 60_000;

/** Searches `sigra_api_tokens` across all owners of a type, which is that of the users unless the filter names another one. */
@Injectable()
export class ApiTokenSearchRepository {
  private readonly table: string;
  private readonly usersType: string;
  private readonly types: readonly string[];
  private readonly epoch: string;
  private readonly end: string;
  private readonly kinds: TokenKinds;

  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly database: SigraDatabase,
  ) {
    this.table = database.names.apiTokens;
    this.usersType = config.users.type;
    this.types = config.ownerTypes.map(({ type }) => type);
    this.epoch = currentEpoch(database.names.owners, 'token_epoch', 't.owner_type', 't.owner_id');
    this.end = expirySql('t', config.apiTokens);
    this.kinds = config.apiTokens.kinds;
  }

  /** Reads one token in any state, of any type of owners of the module. */
  async read(id: string, now: Date, timeout: number): Promise<LookedUpApiToken | undefined> {
    const parameters = new Parameters();
    const ofId = `t.id = ${parameters.add(id)} AND t.owner_type = ANY (${parameters.add(this.types)}::text[])`;
    const [token] = await this.select(`${this.table} t WHERE ${ofId}`, parameters, now, timeout);
    return token;
  }

  /**
   * Reads a page, and looks at 50,000 tokens at most: a page can have fewer tokens than its limit, or none, although others match.
   *
   * @param timeout in milliseconds
   */
  async find(filter: ResolvedTokenFilter, page: TokenSearchPage, now: Date, timeout: number): Promise<FoundTokens> {
    const { order, limit } = page;
    const { direction } = KEYSETS[order];
    const ordered = `ORDER BY t.created_at ${direction}, t.id ${direction}`;
    const parameters = new Parameters();
    const window = `${this.table} t WHERE ${this.window(filter, page, parameters)} ${ordered}`;
    const seen = `(SELECT t.*, row_number() OVER (${ordered}) AS seen FROM ${window} LIMIT ${TOKENS_SEEN}) t`;
    const matches = `coalesce(${['true', ...this.compared(filter, now, parameters)].join(' AND ')}, false)`;
    const isLast = `t.seen = ${TOKENS_SEEN}`;
    // One token more than the limit shows that there are others. The last token of a full window shows where the next one begins:
    // a second statement would look at a window that others have changed meanwhile.
    const rows = await this.database.query<{ token: string; state: ApiTokenState; matches: string; last: string }>(
      `SELECT ${this.selected(now, parameters)}, (${matches})::text AS matches, (${isLast})::text AS last
       FROM ${seen} WHERE ${matches} OR ${isLast} ${ordered} LIMIT ${parameters.add(limit + 1)}`,
      parameters.values,
      undefined,
      timeout,
    );
    const last = rows.find((row) => row.last === 'true');
    const found = rows.filter((row) => row.matches === 'true').map((row) => this.lookedUp(row));
    const tokens = found.slice(0, limit);
    if (found.length > limit) return { tokens, next: tokens.at(-1)?.token };
    return { tokens, next: last && apiTokens.unpack(last.token) };
  }

  /**
   * Describes the tokens of a filter that are not revoked.
   *
   * @param first the number of tokens, oldest first, whose lines are returned
   */
  async describeUnrevoked(filter: ResolvedTokenFilter, now: Date, first: number): Promise<MatchingTokens> {
    const parameters = new Parameters();
    const unrevoked = this.unrevoked(filter, now, parameters);
    const texts = (values: string) => `coalesce(array_agg(DISTINCT ${values}), '{}')`;
    const digest = (lines: string) =>
      `(SELECT encode(sha256(convert_to(coalesce(string_agg(line, ',' ORDER BY line COLLATE "C"), ''), 'UTF8')), 'hex')
        FROM (SELECT DISTINCT line FROM ${lines}) AS distinct_lines)`;
    const { packed } = await this.database.queryOne<{ packed: string }>(
      `WITH limited AS (
         SELECT ${LINE}::text AS line, t.owner_id, t.created_at, t.id FROM ${unrevoked} LIMIT ${MAX_MATCHING + 1}),
       found AS MATERIALIZED (SELECT limited.*, row_number() OVER (ORDER BY created_at, id) AS place FROM limited),
       first AS MATERIALIZED (SELECT line, owner_id FROM found WHERE place <= ${parameters.add(first)}::int),
       others AS MATERIALIZED (SELECT line FROM found WHERE line NOT IN (SELECT line FROM first))
       SELECT ${packedMatching.sql(
         (property) =>
           ({
             count: '(SELECT count(*) FROM found)',
             digest: digest('found'),
             lines: `(SELECT ${texts('line')} FROM first)`,
             ownerIds: `(SELECT ${texts('owner_id')} FROM first)`,
             othersCount: '(SELECT count(*) FROM others)',
             othersDigest: digest('others'),
           })[property],
       )} AS packed`,
      parameters.values,
      undefined,
      COUNT_TIMEOUT_MS,
    );
    return packedMatching.unpack(packed);
  }

  /** Reads the first tokens of a filter that are not revoked, oldest first. */
  async firstUnrevoked(filter: ResolvedTokenFilter, now: Date, limit: number): Promise<readonly LookedUpApiToken[]> {
    const parameters = new Parameters();
    const from = `${this.unrevoked(filter, now, parameters)} ORDER BY t.created_at, t.id LIMIT ${parameters.add(limit)}`;
    return this.select(from, parameters, now, COUNT_TIMEOUT_MS);
  }

  /**
   * Reads the tokens of a filter that are not revoked and belong to the given lines, and locks their rows until the transaction
   * ends. Rotation locks its owner, so the caller that has locked the owners also gets the successors of tokens that were
   * rotated before.
   */
  async lockUnrevoked(
    manager: EntityManager,
    filter: ResolvedTokenFilter,
    { lines, ownerIds }: Pick<MatchingTokens, 'lines' | 'ownerIds'>,
    now: Date,
  ): Promise<readonly ApiToken[]> {
    const parameters = new Parameters();
    const unrevoked = this.unrevoked(filter, now, parameters);
    const ofLines = `t.owner_id = ANY (${parameters.add(ownerIds)}::text[]) AND ${LINE} = ANY (${parameters.add(lines)}::uuid[])`;
    const rows = await this.database.query<{ token: string }>(
      `SELECT ${apiTokens.packed('t')} AS token FROM ${unrevoked} AND ${ofLines}
       ORDER BY t.created_at, t.id FOR NO KEY UPDATE OF t`,
      parameters.values,
      manager,
    );
    return rows.map(({ token }) => this.unpack(token));
  }

  private async select(
    from: string,
    parameters: Parameters,
    now: Date,
    timeout: number,
  ): Promise<readonly LookedUpApiToken[]> {
    const rows = await this.database.query<{ token: string; state: ApiTokenState }>(
      `SELECT ${this.selected(now, parameters)} FROM ${from}`,
      parameters.values,
      undefined,
      timeout,
    );
    return rows.map((row) => this.lookedUp(row));
  }

  private selected(now: Date, parameters: Parameters): string {
    return `${apiTokens.packed('t')} AS token, ${this.stateAt(now, parameters)} AS state`;
  }

  private lookedUp({ token, state }: { readonly token: string; readonly state: ApiTokenState }): LookedUpApiToken {
    return { token: this.unpack(token), state };
  }

  private window(filter: ResolvedTokenFilter, { order, position }: TokenSearchPage, parameters: Parameters): string {
    const clauses = this.indexed(filter, parameters);
    if (position) {
      const { beyond } = KEYSETS[order];
      const [createdAt, id] = [parameters.add(position.createdAt), parameters.add(position.id)];
      clauses.push(`(t.created_at, t.id) ${beyond} (${createdAt}::timestamptz, ${id}::uuid)`);
    }
    return clauses.join(' AND ');
  }

  private compared(filter: ResolvedTokenFilter, now: Date, parameters: Parameters): readonly string[] {
    const { kind, scopes = [], state } = filter;
    return [
      ...conditionsOf(COMPARED, filter, parameters),
      ...(kind === undefined ? [] : [`t.prefix = ANY (${parameters.add(this.kinds.prefixesOf(kind))}::text[])`]),
      ...scopes.map((grantors) => `t.scopes && ${parameters.add(grantors)}::text[]`),
      ...(state === undefined ? [] : [`${this.stateAt(now, parameters)} = ${parameters.add(state)}`]),
    ];
  }

  /** FROM and WHERE. A token that has expired by the clock of this node can be valid by that of another. */
  private unrevoked(filter: ResolvedTokenFilter, now: Date, parameters: Parameters): string {
    const clauses = [
      ...this.indexed(filter, parameters),
      ...this.compared(filter, now, parameters),
      't.revoked_at IS NULL',
      `t.token_epoch = ${this.epoch}`,
    ];
    return `${this.table} t WHERE ${clauses.join(' AND ')}`;
  }

  private unpack(packed: string): ApiToken {
    return this.kinds.label(apiTokens.unpack(packed));
  }

  private indexed(filter: ResolvedTokenFilter, parameters: Parameters): string[] {
    const { ownerType = this.usersType, creatorType = this.usersType, creatorId } = filter;
    // Always the first parameter.
    const clauses = [`t.owner_type = ${parameters.add(ownerType)}`, ...conditionsOf(INDEXED, filter, parameters)];
    if (creatorId !== undefined) {
      const made = `t.creator_type = ${parameters.add(creatorType)} AND t.creator_id = ${parameters.add(creatorId)}`;
      // Twice, because the indexes of creators are partial.
      clauses.push(`((${made} AND t.revoked_at IS NULL) OR (${made} AND t.revoked_at IS NOT NULL))`);
    }
    return clauses;
  }

  /** The rule of `ApiTokenVerifier`, in SQL: an expired token counts as expired also after its epoch has ended. */
  private stateAt(now: Date, parameters: Parameters): string {
    return `CASE WHEN t.revoked_at IS NOT NULL THEN 'revoked' WHEN ${this.end} <= ${parameters.add(now)}::timestamptz THEN 'expired'
      WHEN t.token_epoch <> ${this.epoch} THEN 'revoked' ELSE 'active' END`;
  }
}
