import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditWriter } from '../audit/audit.writer.js';
import { commonIps, isWithinIps } from '../common/allowed-ips.js';
import type { Caller } from '../common/caller.js';
import { earliest } from '../common/clock.js';
import { commonResources, isWithinResources } from '../common/resource-limit.js';
import { SigraError } from '../common/sigra-error.js';
import { kindMember } from '../common/token-kinds.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { CredentialSweeper } from '../owners/credential.sweeper.js';
import { LineageRevoker } from '../owners/lineage.revoker.js';
import { MintingGate } from '../owners/minting.gate.js';
import { ScopeCeiling } from '../owners/scope.ceiling.js';
import { ApiTokenRepository } from '../persistence/api-token.repository.js';
import type { OwnerFilter } from '../persistence/owner.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { type ApiToken, makerIdOf } from '../persistence/tables.js';
import { assertCovers } from '../scopes/assert-scopes.js';
import { commonScopes } from '../scopes/can.js';
import { ScopeRegistry } from '../scopes/scope-registry.js';
import { apiTokenChannels, tokenTrace } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';
import { ApiTokenLocker, type LockedToken } from './api-token.locker.js';
import { parseChanges, type RequestedChanges, type TokenProperties } from './token-properties.js';
import { parseExpiry } from './token-lifetime.js';

/** The properties of a token to change. Those that are `undefined` stay as they are. */
export interface UpdateApiToken extends RequestedChanges {
  /** The token is rejected from this time on; null means never. A principal can only choose an earlier time. */
  readonly expiresAt?: Date | null | undefined;
}

/** The properties that can be changed, as a token has them. */
type Changeable = TokenProperties & Pick<ApiToken, 'expiresAt'>;
type Changes = Partial<Changeable>;

/** The properties that earlier tokens of the rotations, and what the token made, share with it. */
const INHERITED: readonly (keyof Changeable)[] = ['scopes', 'allowedIps', 'resources', 'expiresAt'];

/** Changes properties of tokens, with the audit row in the same transaction. */
@Injectable()
export class ApiTokenUpdater {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly scopes: ScopeRegistry,
    private readonly database: SigraDatabase,
    private readonly gate: MintingGate,
    private readonly locker: ApiTokenLocker,
    private readonly tokens: ApiTokenRepository,
    private readonly ceiling: ScopeCeiling,
    private readonly lineage: LineageRevoker,
    private readonly sweeper: CredentialSweeper,
    private readonly audit: AuditWriter,
  ) {}

  /**
   * Changes a token. See `ApiTokenService.update`.
   *
   * @param owner tokens of other owners count as missing
   */
  async update(tokenId: string, request: UpdateApiToken, caller: Caller, owner: OwnerFilter): Promise<ApiToken> {
    const { expiresAt } = request;
    const { parseMetadata } = this.config.apiTokens;
    const given = await parseChanges(request, { scopes: this.scopes, parseMetadata });
    return traced(
      apiTokenChannels.update,
      tokenTrace(tokenId),
      async () => {
        const deadline = this.database.deadlineOf(caller);
        await deadline.limit(this.gate.assertMakerLives(caller.principal));
        const { token, left } = await this.database.transaction(async (manager) => {
          const locked = await this.locker.lock(manager, tokenId, owner, caller);
          const changes = {
            ...given,
            ...(expiresAt !== undefined && { expiresAt: this.newExpiry(locked, expiresAt, caller) }),
          };
          this.assertNarrows(locked.token, changes, caller);
          return this.change(manager, locked, changes, caller);
        }, deadline.left);
        if (left) await this.sweeper.begin(left, deadline);
        return token;
      },
      (token) => token,
    );
  }

  /** The new expiry. @throws SigraError as for a new token, and `ttl_exceeded` for a later one through a principal */
  private newExpiry(
    { token, makerEndsAt, now }: LockedToken,
    expiresAt: Date | null,
    { principal }: Caller,
  ): Date | null {
    // Rules that came later do not refuse an expiry that stays.
    if (isDeepStrictEqual(expiresAt, token.expiresAt)) return token.expiresAt;
    const end = parseExpiry(expiresAt, now, this.config.apiTokens.kinds.rulesOf(token), makerEndsAt);
    if (principal && token.expiresAt && (end === null || end > token.expiresAt)) {
      throw new SigraError('ttl_exceeded', 'The expiry of a token can be moved to an earlier time only.');
    }
    return end;
  }

  /** Also that its kind allows the scopes. @throws SigraError `insufficient_scope`, `invalid_allowed_ips`, `invalid_resources` */
  private assertNarrows(token: ApiToken, { scopes, allowedIps, resources }: Changes, { principal }: Caller): void {
    const { kinds, rules } = this.config.apiTokens;
    if (scopes) this.ceiling.assertKindAllows(kinds.of(token), scopes);
    if (!principal) return;
    if (scopes) assertCovers(token.scopes, scopes, rules, 'The scopes of a token can be narrowed, but not widened.');
    if (allowedIps !== undefined && !isWithinIps(allowedIps, token.allowedIps)) {
      throw new SigraError('invalid_allowed_ips', 'The addresses of a token can be narrowed, but not widened.');
    }
    if (resources !== undefined && !isWithinResources(resources, token.resources)) {
      throw new SigraError('invalid_resources', 'The resources of a token can be narrowed, but not widened.');
    }
  }

  /** @returns the owner as `left` if a sweep has to complete the change */
  private async change(manager: EntityManager, locked: LockedToken, changes: Changes, caller: Caller) {
    const { token: old, owner, now } = locked;
    const names = (Object.keys(changes) as (keyof Changeable)[]).filter(
      (name) => !isDeepStrictEqual(changes[name], old[name]),
    );
    if (names.length === 0) return { token: old };
    const pick = (from: Changes) => Object.fromEntries(names.map((name) => [name, from[name]]));
    const token = await this.tokens.update(manager, old.id, pick(changes));
    const isInherited = names.some((name) => INHERITED.includes(name));
    const predecessors = isInherited ? await this.narrowPredecessors(manager, locked, token) : [];
    const made = await this.lineage.narrowMadeBy(manager, makerIdOf(old), pick(token));
    const limited = await this.lineage.limitMadeByToken(manager, old, token.expiresAt, now);
    const narrowed = new Set([...predecessors, ...made, ...limited.ids]).size;
    await this.audit.record(
      manager,
      {
        action: 'api.token_update',
        targetId: old.id,
        targetType: 'api_token',
        owner,
        metadata: { ...kindMember(old), before: pick(old), after: pick(token), ...(narrowed > 0 && { narrowed }) },
      },
      caller,
    );
    return { token, ...(!limited.isComplete && { left: owner }) };
  }

  /**
   * In their grace period, the tokens that led to this one lose what it loses, and end with it. They can have lost more, because
   * another credential can have made them.
   *
   * @returns the ids of those that have lost something
   */
  private async narrowPredecessors(manager: EntityManager, { token: old, owner }: LockedToken, token: ApiToken) {
    const ids: string[] = [];
    if (old.originId === null) return ids;
    for (const each of await this.tokens.lockRotations(manager, old.originId, owner)) {
      if (each.id === token.id) continue;
      const left = {
        scopes: commonScopes(each.scopes, token.scopes, this.config.apiTokens.rules),
        allowedIps: commonIps(each.allowedIps, token.allowedIps),
        resources: commonResources(each.resources, token.resources),
        expiresAt: earliest(each.expiresAt, token.expiresAt),
      };
      if (isDeepStrictEqual({ ...each, ...left }, each)) continue;
      await this.tokens.update(manager, each.id, left);
      ids.push(each.id);
    }
    return ids;
  }
}
