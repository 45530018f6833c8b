import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditWriter } from '../audit/audit.writer.js';
import { commonIps } from '../common/allowed-ips.js';
import type { Caller } from '../common/caller.js';
import type { Owner } from '../common/principal.js';
import { commonResources } from '../common/resource-limit.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import {
  type CredentialKind,
  LineageRepository,
  type Narrowing,
  type RevokedDescendant,
} from '../persistence/lineage.repository.js';
import type { EpochKinds } from '../persistence/owner.repository.js';
import { type NewSweep, SweepRepository } from '../persistence/sweep.repository.js';
import { type ApiToken, makerIdOf, ownerOf } from '../persistence/tables.js';
import { commonScopes } from '../scopes/can.js';

/** More would take a noticeable part of `lookupTimeout`: the end of a maker must not depend on how much it made. */
const AT_ONCE = 1000;
/** Each pass finds what the one before waited for. */
const MAX_PASSES = 8;

/** What a transaction changed of a lineage. */
export interface LineageChange {
  readonly count: number;
  /** False when sweeps do the rest: call `CredentialSweeper.begin` after the commit. */
  readonly isComplete: boolean;
}

/** What a transaction has let expire with its maker. */
export interface LimitedLineage extends LineageChange {
  readonly ids: readonly string[];
}

/**
 * Revokes what revoked credentials have made, to any depth, with an audit row for each: the first thousand in the
 * transaction that revokes the maker, the others in sweeps. Credentials also expire with their maker, and lose the scopes,
 * addresses and resources that it loses.
 */
@Injectable()
export class LineageRevoker {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly lineage: LineageRepository,
    private readonly sweeps: SweepRepository,
    private readonly audit: AuditWriter,
  ) {}

  /**
   * Call it in the transaction that has revoked the makers.
   *
   * @param owner of the makers
   */
  async revokeMadeBy(
    manager: EntityManager,
    owner: Owner,
    makerIds: readonly string[],
    at: Date,
    caller: Caller,
  ): Promise<LineageChange> {
    return this.revokeMade(manager, new Map(makerIds.map((id) => [id, owner])), at, caller);
  }

  /** Like `revokeMadeBy`, for tokens of several owners of a type. */
  async revokeMadeByTokens(
    manager: EntityManager,
    tokens: readonly ApiToken[],
    at: Date,
    caller: Caller,
  ): Promise<LineageChange> {
    // The descendants of a token belong to its successor, if it has one.
    const makers = tokens.filter(({ replacedBy }) => replacedBy === null);
    return this.revokeMade(manager, new Map(makers.map((token) => [makerIdOf(token), ownerOf(token)])), at, caller);
  }

  /** @param owners those of the makers */
  private async revokeMade(
    manager: EntityManager,
    owners: ReadonlyMap<string, Owner>,
    at: Date,
    caller: Caller,
  ): Promise<LineageChange> {
    let count = 0;
    let unfinished: readonly string[] = [...owners.keys()];
    for (let pass = 0; pass < MAX_PASSES && count < AT_ONCE && unfinished.length > 0; pass++) {
      const revoked = await this.lineage.revokeDescendants(manager, unfinished, at, AT_ONCE - count);
      await this.record(manager, revoked, caller);
      count += revoked.length;
      const makers = [...unfinished, ...revoked.flatMap(({ originId }) => originId ?? [])];
      unfinished = await this.lineage.haveDescendants(manager, makers);
    }
    const [first] = owners.values();
    // The sweep of a maker that was found on the way can be that of any of the owners.
    const ownerOfMaker = (id: string) => owners.get(id) ?? first;
    await this.request(manager, ownerOfMaker, unfinished, { task: 'revoke_made', requestedAt: at });
    return { count, isComplete: unfinished.length === 0 };
  }

  /**
   * Revokes what the credentials of an owner made and its own epochs do not end: credentials of other owners and, if only its API
   * tokens end, the families that these made. Call it in the transaction that ends the credentials; their sweep revokes those
   * beyond the first thousand.
   *
   * @param kinds those that end. Without API tokens, nothing is revoked: a person who signs out keeps the tokens that were made on
   * the device
   */
  async revokeMadeByAll(
    manager: EntityManager,
    owner: Owner,
    { tokens, families }: EpochKinds,
    at: Date,
    caller: Caller,
  ): Promise<void> {
    if (!tokens) return;
    const makers: readonly CredentialKind[] = families ? ['api_token', 'refresh_family'] : ['api_token'];
    const revoked = families ? [] : [...(await this.lineage.revokeFamiliesMadeByTokens(manager, owner, at, AT_ONCE))];
    for (let pass = 0, limit = AT_ONCE; pass < MAX_PASSES && limit > 0; pass++) {
      const found = await this.lineage.revokeMadeForOthers(manager, owner, makers, at, limit);
      if (found.length === 0) break;
      revoked.push(...found);
      limit -= found.length;
    }
    await this.record(manager, revoked, caller);
    const makerIds = revoked.map(({ originId, id }) => originId ?? id);
    await this.revokeMadeBy(manager, owner, makerIds, at, caller);
  }

  /**
   * Lets what a token made, to any depth, expire with it. Call it in the transaction that gives the token, or its successor, an
   * end. A later end than before changes nothing.
   *
   * @param token as it was before
   */
  async limitMadeByToken(
    manager: EntityManager,
    token: ApiToken,
    endsAt: Date | null,
    at: Date,
  ): Promise<LimitedLineage> {
    const { expiresAt } = token;
    if (endsAt === null || (expiresAt !== null && expiresAt <= endsAt)) return { ids: [], count: 0, isComplete: true };
    return this.limitMadeBy(manager, ownerOf(token), makerIdOf(token), endsAt, at);
  }

  /** Like `limitMadeByToken`, for any maker, whose end has become earlier. @param owner of the maker */
  async limitMadeBy(
    manager: EntityManager,
    owner: Owner,
    makerId: string,
    endsAt: Date,
    at: Date,
  ): Promise<LimitedLineage> {
    const ids: string[] = [];
    let unfinished: readonly string[] = [makerId];
    for (let pass = 0; pass < MAX_PASSES && ids.length < AT_ONCE && unfinished.length > 0; pass++) {
      const limited = await this.lineage.limitDescendants(manager, unfinished, endsAt, AT_ONCE - ids.length);
      ids.push(...limited.ids);
      unfinished = await this.lineage.haveDescendants(manager, [...unfinished, ...limited.originIds], endsAt);
    }
    await this.request(manager, () => owner, unfinished, { task: 'limit_made', endsAt, requestedAt: at });
    return { ids, count: ids.length, isComplete: unfinished.length === 0 };
  }

  /** Requests a sweep that lets what a maker made, to any depth, expire with it. */
  requestLimit(manager: EntityManager, owner: Owner, makerId: string, endsAt: Date, at: Date): Promise<void> {
    return this.request(manager, () => owner, [makerId], { task: 'limit_made', endsAt, requestedAt: at });
  }

  /**
   * Takes from what a maker made, to any depth, the scopes, addresses and resources that the maker has lost. Call it in the transaction that
   * narrows the maker.
   *
   * @param left those that the maker still has; undefined when it has lost none
   * @returns the ids of the credentials that have lost some
   */
  async narrowMadeBy(
    manager: EntityManager,
    makerId: string,
    { scopes, allowedIps, resources }: Partial<Pick<ApiToken, 'scopes' | 'allowedIps' | 'resources'>>,
  ): Promise<ReadonlySet<string>> {
    const { rules } = this.config.apiTokens;
    const narrowings: Narrowing[] = [];
    if (scopes) narrowings.push({ column: 'scopes', keep: (granted) => commonScopes(granted, scopes, rules) });
    if (allowedIps) narrowings.push({ column: 'allowed_ips', keep: (list) => commonIps(list, allowedIps) });
    if (resources) narrowings.push({ column: 'resources', keep: (list) => commonResources(list, resources) });
    const ids = new Set<string>();
    for (const narrowing of narrowings) await this.narrow(manager, makerId, narrowing, ids);
    return ids;
  }

  /** @param ids gets those of the credentials that have lost some */
  private async narrow(manager: EntityManager, makerId: string, narrowing: Narrowing, ids: Set<string>): Promise<void> {
    const makers = new Set([makerId]);
    for (let count = 1; count > 0;) {
      const narrowed = await this.lineage.narrowDescendants(manager, [...makers], narrowing);
      for (const id of narrowed.originIds) makers.add(id);
      for (const id of narrowed.ids) ids.add(id);
      ({ count } = narrowed);
    }
  }

  private request(
    manager: EntityManager,
    ownerOfMaker: (makerId: string) => Owner | undefined,
    makerIds: readonly string[],
    sweep: Pick<NewSweep, 'task' | 'endsAt' | 'requestedAt'>,
  ): Promise<void> {
    const requested = makerIds.flatMap((makerId) => {
      const owner = ownerOfMaker(makerId);
      if (!owner) return [];
      const epochs = { tokenEpoch: 0, familyEpoch: 0 };
      return [{ id: uuidv7(), ownerType: owner.type, ownerId: owner.id, makerId, ...epochs, ...sweep }];
    });
    return this.sweeps.insert(manager, requested);
  }

  private record(manager: EntityManager, revoked: readonly RevokedDescendant[], caller: Caller): Promise<void> {
    return this.audit.recordAll(
      manager,
      revoked.map(({ kind, id, owner }) => ({
        action: kind === 'api_token' ? 'api.token_revoke' : 'api.jwt_revoke',
        targetId: id,
        targetType: kind,
        owner,
        metadata: { reason: 'made_by_revoked' },
      })),
      caller,
    );
  }
}
