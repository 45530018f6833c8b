import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { type OwnerFilter, typesIn } from './owner.repository.js';
import { BEFORE_ALL } from './keyset.js';
import { literal } from './qualified-names.js';
import { SigraDatabase } from './sigra-database.js';
import { Parameters } from './sql.js';
import type { NewRowOf } from './table.js';
import { LINEAGE_ENDS, type Sweep, sweeps } from './tables.js';

/** A sweep to request. */
export type NewSweep = NewRowOf<typeof sweeps.columns>;

/** The position of a sweep in one of its stages: rows up to here were processed. */
export interface SweepPosition {
  /** As JSON writes it: another session can have another `DateStyle` and `TimeZone`. */
  readonly createdAt: string;
  readonly id: string;
}

/** The result of one batch. */
export interface SweptBatch {
  readonly count: number;
  /** The credentials that were revoked or deleted, by the ids by which they are the makers of others. */
  readonly makerIds: readonly string[];
  /** Undefined when the stage has no further rows. */
  readonly position: SweepPosition | undefined;
}

/** One kind of rows that a sweep processes. */
interface Stage {
  readonly table: string;
  /** FROM and WHERE, with `table` as `t`; `$1` and `$2` are the owner, `$3` the epoch, `$4` the time of the request. */
  readonly from: string;
  /** The column, besides the id, that orders the rows. */
  readonly orderBy: string;
  /** The SET list of an update; `$5` is the reason. @default the rows are deleted */
  readonly set?: string;
  readonly epoch: 'tokenEpoch' | 'familyEpoch';
  /** The id by which a row is the maker of credentials that end with it. @default they stay */
  readonly makerId?: string;
}

const MARK = `revoked_at = $4, revoke_reason = $5::text`;
/** Two conditions instead of none, because the indexes of owners are partial. */
const REVOKED_OR_NOT = (alias: string) =>
  `((${ofOwner(alias)} AND ${alias}.revoked_at IS NULL) OR (${ofOwner(alias)} AND ${alias}.revoked_at IS NOT NULL))`;

/** Reads and writes `sigra_sweeps`, and processes their rows in batches that never wait for a lock. */
@Injectable()
export class SweepRepository {
  private readonly usersType: string;

  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly database: SigraDatabase,
  ) {
    this.usersType = config.users.type;
  }

  /** Requests sweeps, in the transaction of the revocation. */
  async insert(manager: EntityManager, requested: readonly NewSweep[]): Promise<void> {
    const [first, ...others] = requested;
    if (!first) return;
    const parameters = new Parameters();
    await this.database.query(
      sweeps.insert(this.database.names.sweeps, [first, ...others], parameters),
      parameters.values,
      manager,
    );
  }

  /**
   * Takes the oldest sweep that no other node works on, until the transaction ends.
   *
   * @param except the ids of sweeps to leave
   * @param owner takes only sweeps of this owner, or of all owners of the types: others can have other rules for audit rows
   */
  async take(manager: EntityManager, except: readonly string[], owner: OwnerFilter): Promise<Sweep | undefined> {
    const [row] = await this.database.query<{ sweep: string }>(
      `SELECT ${sweeps.packed('s')} AS sweep FROM ${this.database.names.sweeps} s
       WHERE s.owner_type = ANY ($1::text[]) AND ($2::text IS NULL OR s.owner_id = $2) AND s.id <> ALL ($3::uuid[])
       ORDER BY s.id LIMIT 1 FOR UPDATE SKIP LOCKED`,
      [typesIn(owner), owner.id ?? null, except],
      manager,
    );
    return row && sweeps.unpack(row.sweep);
  }

  /** Deletes a sweep that is complete. */
  async delete(manager: EntityManager, id: string): Promise<void> {
    await this.database.query(`DELETE FROM ${this.database.names.sweeps} WHERE id = $1`, [id], manager);
  }

  /** The number of stages of a sweep. */
  stagesOf(sweep: Sweep): number {
    return this.stages(sweep).length;
  }

  /** Processes up to `limit` rows of a stage after `position`, and skips locked rows. */
  async process(
    manager: EntityManager,
    sweep: Sweep,
    stage: number,
    limit: number,
    { createdAt, id }: SweepPosition = BEFORE_ALL,
  ): Promise<SweptBatch> {
    const { table, from, orderBy, set, epoch, makerId } = this.stageAt(sweep, stage);
    const change = set === undefined ? `DELETE FROM ${table} t USING ended` : `UPDATE ${table} t SET ${set} FROM ended`;
    const swept = await this.database.queryOne<{
      count: number | string;
      makerIds: string;
      createdAt: string | null;
      lastId: string | null;
    }>(
      `WITH ended AS MATERIALIZED (
         SELECT t.id, ${orderBy} AS created_at FROM ${from} AND (${orderBy}, t.id) > ($6::timestamptz, $7::uuid)
           AND $4::timestamptz IS NOT NULL AND $5::text IS NOT DISTINCT FROM $5
         ORDER BY ${orderBy}, t.id LIMIT $8 FOR UPDATE OF t SKIP LOCKED
       ), changed AS (
         ${change} WHERE t.id = ended.id RETURNING ${makerId ?? 'NULL'} AS maker_id
       ), last AS (
         SELECT created_at, id FROM ended ORDER BY created_at DESC, id DESC LIMIT 1
       )
       SELECT (SELECT count(*)::int FROM changed) AS count,
         ${makerId ? "(SELECT coalesce(json_agg(maker_id), '[]')::text FROM changed)" : "'[]'"} AS "makerIds",
         (SELECT to_json(created_at) #>> '{}' FROM last) AS "createdAt", (SELECT id FROM last) AS "lastId"`,
      [sweep.ownerType, sweep.ownerId, sweep[epoch], sweep.requestedAt, sweep.reason, createdAt, id, limit],
      manager,
    );
    const { createdAt: lastTime, lastId } = swept;
    const count = Number(swept.count);
    return {
      count,
      makerIds: JSON.parse(swept.makerIds) as string[],
      position:
        count >= limit && lastTime !== null && lastId !== null ? { createdAt: lastTime, id: lastId } : undefined,
    };
  }

  /** Whether a stage has rows left, such as rows that were locked. */
  async hasRows(manager: EntityManager, sweep: Sweep, stage: number): Promise<boolean> {
    const { from, epoch } = this.stageAt(sweep, stage);
    const { found } = await this.database.queryOne<{ found: string }>(
      `SELECT EXISTS (SELECT FROM ${from} AND $4::timestamptz IS NOT NULL)::text AS found`,
      [sweep.ownerType, sweep.ownerId, sweep[epoch], sweep.requestedAt],
      manager,
    );
    return found === 'true';
  }

  private stageAt(sweep: Sweep, stage: number): Stage {
    const found = this.stages(sweep)[stage];
    if (!found) throw new RangeError('sigra: a sweep has no such stage');
    return found;
  }

  private stages({ task, reason }: Sweep): readonly Stage[] {
    const { apiTokens, refreshFamilies, refreshTokens, auditEvents } = this.database.names;
    const tokens = {
      table: apiTokens,
      orderBy: 't.created_at',
      epoch: 'tokenEpoch',
      makerId: 'coalesce(t.origin_id, t.id)',
    } as const;
    const families = { table: refreshFamilies, orderBy: 't.created_at', epoch: 'familyEpoch' } as const;
    const endedFamilies = { ...families, makerId: 't.id' } as const;
    const forget: readonly Stage[] = [
      { ...tokens, from: `${apiTokens} t WHERE ${REVOKED_OR_NOT('t')} AND t.token_epoch < $3` },
      // Before their families, because one family can have thousands of tokens.
      {
        table: refreshTokens,
        orderBy: 't.created_at',
        epoch: 'familyEpoch',
        from: `${refreshFamilies} f JOIN ${refreshTokens} t ON t.family_id = f.id
          WHERE ${REVOKED_OR_NOT('f')} AND f.epoch < $3`,
      },
      { ...endedFamilies, from: `${refreshFamilies} t WHERE ${REVOKED_OR_NOT('t')} AND t.epoch < $3` },
    ];
    // A row can also be about another owner, such as an organization whose token the user has made.
    const forgotten = `metadata = CASE
      WHEN $1 = ${literal(this.usersType)} AND t.metadata ->> 'userId' = $2 THEN t.metadata - 'userId'
      WHEN t.metadata ->> 'ownerType' = $1 AND t.metadata ->> 'ownerId' = $2 THEN t.metadata - 'ownerId'
      ELSE t.metadata END`;
    const events = { table: auditEvents, orderBy: 't.occurred_at', epoch: 'tokenEpoch' } as const;
    const before = 't.occurred_at <= $4 AND $3::int IS NOT NULL';
    switch (task) {
      case 'revoke_made':
      case 'limit_made':
        // No rows of its own: the lineage of its maker is changed.
        return [];
      case 'mark_tokens':
        return [
          {
            ...tokens,
            // Also rows that have expired: a node whose clock is ahead would leave living ones, and what they made.
            from: `${apiTokens} t WHERE ${ofOwner('t')} AND t.revoked_at IS NULL AND t.token_epoch < $3`,
            set: MARK,
          },
        ];
      case 'mark_families': {
        const earlier = `${refreshFamilies} t WHERE ${ofOwner('t')} AND t.epoch < $3`;
        const unrevoked = `${earlier} AND t.revoked_at IS NULL`;
        // A person who signs out keeps the tokens that were made on the device.
        if (reason !== 'locked_out') return [{ ...families, from: unrevoked, set: MARK }];
        // A lock-out ends these, too, also for families that were signed out before.
        const signedOut = `${earlier} AND t.revoked_at IS NOT NULL AND t.revoke_reason <> ALL ('{${LINEAGE_ENDS.join(',')}}')`;
        return [
          { ...endedFamilies, from: unrevoked, set: MARK },
          { ...endedFamilies, from: signedOut, set: 'revoke_reason = $5::text' },
        ];
      }
      case 'forget':
        return forget;
      case 'forget_and_anonymize':
        return [
          ...forget,
          {
            ...events,
            from: `${auditEvents} t WHERE t.actor_type = $1 AND t.actor_id = $2 AND ${before}`,
            set: `actor_id = NULL, actor_type = 'anonymous', ip_address = NULL, user_agent = NULL, ${forgotten}`,
          },
          {
            ...events,
            from: `${auditEvents} t WHERE t.target_type = $1 AND t.target_id = $2 AND ${before}`,
            set: `target_id = NULL, ${forgotten}`,
          },
        ];
    }
  }
}

function ofOwner(alias: string): string {
  return `${alias}.owner_type = $1 AND ${alias}.owner_id = $2`;
}
