import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { AuditedChange } from '../audit/audit-event.js';
import { AuditWriter } from '../audit/audit.writer.js';
import type { Caller } from '../common/caller.js';
import { Clock } from '../common/clock.js';
import { kindMember } from '../common/token-kinds.js';
import { type Owner, ownerOfPrincipal } from '../common/principal.js';
import { refuse } from '../common/sigra-error.js';
import { isUuid } from '../common/uuid.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { ApiTokenRepository } from '../persistence/api-token.repository.js';
import type { CredentialKind } from '../persistence/lineage.repository.js';
import { type EpochKinds, type Epochs, type OwnerFilter, OwnerRepository } from '../persistence/owner.repository.js';
import { RefreshFamilyRepository } from '../persistence/refresh-family.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { type ApiToken, makerIdOf, ownerOf, type RefreshFamilyRow } from '../persistence/tables.js';
import { assertMayManage } from '../scopes/assert-scopes.js';
import { CredentialSweeper } from './credential.sweeper.js';
import { LineageRevoker } from './lineage.revoker.js';

/** The time and the new epochs of a revocation. */
export interface EpochStep extends Epochs {
  readonly at: Date;
}

/** Why a credential is locked out, if it is not for the call of the application. */
export interface LockOutCause {
  readonly reason: 'leaked';
  /** For the audit rows of the credentials that are locked out; not for those of what they made. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** What a lock-out found. */
export interface LockedOut {
  /** The credentials that had not been revoked before, with those that they made; of many, those that were revoked at once. */
  readonly ended: number;
}

/** Locks out one credential: revokes it together with everything that was made with it, to any depth. */
@Injectable()
export class CredentialRevoker {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly database: SigraDatabase,
    private readonly owners: OwnerRepository,
    private readonly tokens: ApiTokenRepository,
    private readonly families: RefreshFamilyRepository,
    private readonly lineage: LineageRevoker,
    private readonly sweeper: CredentialSweeper,
    private readonly audit: AuditWriter,
  ) {}

  /**
   * Locks out a token, with all tokens that it was rotated from or to, or a family. Also revokes what was made with a credential
   * that has ended before.
   *
   * @param filter credentials of other owners count as missing
   * @returns undefined when the credential does not exist
   * @throws SigraError `insufficient_scope` when the caller's principal does not hold all scopes of the credential; `unavailable`
   */
  async lockOut(
    kind: CredentialKind,
    id: string,
    filter: OwnerFilter,
    caller: Caller,
    cause?: LockOutCause,
  ): Promise<LockedOut | undefined> {
    // PostgreSQL would reject a string that is not a UUID.
    if (!isUuid(id)) return undefined;
    const deadline = this.database.deadlineOf(caller);
    const ended = await this.database.retried(deadline, async (manager) => {
      const seen =
        kind === 'api_token'
          ? await this.readToken(manager, id, filter)
          : await this.families.read(manager, id, filter);
      if (!seen) return undefined;
      const owner = ownerOf(seen);
      // In the order of everything that makes or rotates a token.
      await this.owners.lock(manager, owner);
      const at = this.clock.now();
      const { makerId, ended } =
        kind === 'api_token'
          ? await this.endRotations(manager, seen as ApiToken, at, caller, cause)
          : await this.endFamily(manager, id, owner, at, caller, cause);
      const { count, isComplete } = await this.lineage.revokeMadeBy(manager, owner, [makerId], at, caller);
      return { owner, ended: ended + count, isComplete };
    });
    if (ended && !ended.isComplete) await this.sweeper.begin(ended.owner, deadline);
    return ended;
  }

  /** Revokes a token that the transaction has locked, with its audit row. */
  async revokeToken(manager: EntityManager, token: ApiToken, at: Date, caller: Caller, cause?: LockOutCause) {
    const revokeReason = cause?.reason ?? 'revoked';
    const revoked = await this.tokens.update(manager, token.id, { revokedAt: at, revokeReason });
    await this.audit.record(manager, revocationOf(token, cause), caller);
    return revoked;
  }

  /** Like `revokeToken`, for many tokens. */
  async revokeTokens(manager: EntityManager, tokens: readonly ApiToken[], at: Date, caller: Caller): Promise<void> {
    const ids = tokens.map(({ id }) => id);
    await this.tokens.revoke(manager, ids, at);
    await this.audit.recordAll(
      manager,
      tokens.map((token) => revocationOf(token)),
      caller,
    );
  }

  /** Revokes a family that the transaction has locked, with its audit row. */
  async revokeFamily(
    manager: EntityManager,
    { id, ownerId: userId }: RefreshFamilyRow,
    at: Date,
    reason: 'revoked' | 'locked_out' | 'leaked',
    caller: Caller,
    more?: LockOutCause['metadata'],
  ): Promise<void> {
    await this.families.revoke(manager, id, at, reason);
    const metadata = { ...more, userId, ...(reason !== 'revoked' && { reason }) };
    await this.audit.record(
      manager,
      { action: 'api.jwt_revoke', targetId: id, targetType: 'refresh_family', metadata },
      caller,
    );
  }

  /**
   * A principal ends only credentials whose scopes and resources it holds, and its own family.
   *
   * @throws SigraError `insufficient_scope`, `resource_not_allowed`
   */
  assertMayRevoke(credential: ApiToken | RefreshFamilyRow, caller: Caller): void {
    const { principal } = caller;
    if (principal?.familyId === credential.id || this.isInPerson(ownerOf(credential), caller)) return;
    assertMayManage(principal, credential, this.config.apiTokens.rules);
  }

  /**
   * Checks a principal that ends all credentials of some kinds, which the step has ended.
   *
   * @throws SigraError `insufficient_scope` when it does not hold all of their scopes; `resource_not_allowed` when it is limited to
   * resources: credentials without a limit can be among them
   */
  async assertMayEndAll(
    manager: EntityManager,
    owner: Owner,
    kinds: EpochKinds,
    { at, tokenEpoch, familyEpoch }: EpochStep,
    caller: Caller,
  ): Promise<void> {
    const { principal } = caller;
    if (!principal || this.isInPerson(owner, caller)) return;
    if (principal.resources) {
      throw refuse('resource_not_allowed', 'A credential that is limited to resources cannot revoke all others.');
    }
    if (principal.scopes.includes('*')) return;
    const scopes = [
      ...(kinds.tokens ? await this.tokens.activeScopes(manager, owner, at, tokenEpoch - 1) : []),
      ...(kinds.families ? await this.families.liveScopes(manager, owner, at, familyEpoch - 1) : []),
    ];
    assertMayManage(principal, { scopes }, this.config.apiTokens.rules);
  }

  /** A person can always end their own tokens, also those with scopes that `users.scopes` has withdrawn since. */
  isInPerson(owner: Owner, { principal }: Caller): boolean {
    if (principal?.method !== 'session') return false;
    const { type, id } = ownerOfPrincipal(principal, this.config.users.type);
    return id === owner.id && type === owner.type;
  }

  /** Clean-up deletes a token at the end of its grace period, and its successors can live. */
  private async readToken(manager: EntityManager, id: string, filter: OwnerFilter): Promise<ApiToken | undefined> {
    return (await this.tokens.read(manager, id, filter)) ?? this.tokens.readSuccessor(manager, id, filter);
  }

  private async endRotations(
    manager: EntityManager,
    token: ApiToken,
    at: Date,
    caller: Caller,
    cause?: LockOutCause,
  ): Promise<LockedOut & { readonly makerId: string }> {
    this.assertMayRevoke(token, caller);
    const makerId = makerIdOf(token);
    const rotations = await this.tokens.lockRotations(manager, makerId, ownerOf(token));
    for (const each of rotations) this.assertMayRevoke(each, caller);
    for (const each of rotations) await this.revokeToken(manager, each, at, caller, cause);
    return { makerId, ended: rotations.length };
  }

  private async endFamily(
    manager: EntityManager,
    id: string,
    owner: Owner,
    at: Date,
    caller: Caller,
    cause?: LockOutCause,
  ): Promise<LockedOut & { readonly makerId: string }> {
    const family = await this.families.lock(manager, id, owner);
    if (family) this.assertMayRevoke(family, caller);
    if (!family || family.revokedAt) return { makerId: id, ended: 0 };
    await this.revokeFamily(manager, family, at, cause?.reason ?? 'locked_out', caller, cause?.metadata);
    return { makerId: id, ended: 1 };
  }
}

function revocationOf(token: ApiToken, cause?: LockOutCause): AuditedChange {
  const { id, name } = token;
  const reason = cause && { reason: cause.reason };
  const metadata = { ...cause?.metadata, ...kindMember(token), name, ...reason };
  return { action: 'api.token_revoke', targetId: id, targetType: 'api_token', owner: ownerOf(token), metadata };
}
