import { Injectable } from '@nestjs/common';
import { ownerMembers } from '../audit/audit-event.js';
import type { Caller } from '../common/caller.js';
import { Clock } from '../common/clock.js';
import type { Owner } from '../common/principal.js';
import { isUuid } from '../common/uuid.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { CredentialRevoker, type LockedOut, type LockOutCause } from '../owners/credential.revoker.js';
import { CredentialSweeper } from '../owners/credential.sweeper.js';
import { EpochRevoker } from '../owners/epoch.revoker.js';
import { LineageRevoker } from '../owners/lineage.revoker.js';
import { ApiTokenRepository } from '../persistence/api-token.repository.js';
import { type OwnerFilter, OwnerRepository } from '../persistence/owner.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { type ApiToken, makerIdOf, ownerOf } from '../persistence/tables.js';
import { apiTokenChannels, tokenTrace } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';
import { notFound } from './api-token.locker.js';

/** Revokes tokens, with the audit row in the same transaction. Afterwards every node rejects them. */
@Injectable()
export class ApiTokenRevoker {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly database: SigraDatabase,
    private readonly tokens: ApiTokenRepository,
    private readonly owners: OwnerRepository,
    private readonly sweeper: CredentialSweeper,
    private readonly lineage: LineageRevoker,
    private readonly revoker: CredentialRevoker,
    private readonly epochs: EpochRevoker,
  ) {}

  /**
   * Revokes a token. See `ApiTokenService.revoke`.
   *
   * @param owner tokens of other owners count as missing
   */
  revoke(tokenId: string, caller: Caller, owner: OwnerFilter): Promise<ApiToken> {
    return traced(
      apiTokenChannels.revoke,
      tokenTrace(tokenId),
      () => this.revokeOne(tokenId, caller, owner),
      (token) => token,
    );
  }

  /** Revokes a token, its rotations and what they made. See `ApiTokenService.lockOut`. */
  lockOut(tokenId: string, caller: Caller, owner: OwnerFilter, cause?: LockOutCause): Promise<LockedOut> {
    return traced(
      apiTokenChannels.revoke,
      tokenTrace(tokenId),
      async () => {
        const lockedOut = await this.revoker.lockOut('api_token', tokenId, owner, caller, cause);
        if (!lockedOut) throw notFound();
        return lockedOut;
      },
      () => undefined,
    );
  }

  /**
   * Revokes a token by its raw form, even if its owner is not active or it has expired: by the clock of another node, it can be
   * valid. Ignores unknown tokens.
   */
  async revokeByRawToken(rawToken: string, caller: Caller): Promise<void> {
    const hash = await this.config.apiTokens.rawTokens.hashOf(rawToken);
    const finding = hash === undefined ? undefined : this.tokens.find(hash);
    const found = await (finding && this.database.deadlineOf(caller).limit(finding));
    // The rows of an owner that was forgotten can be gone before standbys have the change.
    if (!found) return this.database.settled();
    await this.revoke(found.token.id, caller, { type: found.token.ownerType });
  }

  /**
   * Revokes all active tokens of an owner, by moving it to the next epoch, however many there are. Their rows are marked
   * afterwards.
   *
   * @returns their number
   */
  revokeAll(owner: Owner, caller: Caller): Promise<number> {
    const reason = 'revoke_all';
    return traced(
      apiTokenChannels.revokeAll,
      ownerMembers(owner, this.config.users.type),
      () =>
        this.epochs.end(
          owner,
          {
            kinds: { tokens: true },
            action: 'api.token_revoke_all',
            sweeps: [{ task: 'mark_tokens', reason }],
            metadata: () => ({}),
            // Tokens of earlier epochs were revoked, and counted, before.
            count: {
              upTo: (limit, { at, tokenEpoch }, manager) =>
                this.tokens.countActive(manager, owner, at, limit, tokenEpoch - 1),
              all: ({ at, tokenEpoch }) => this.tokens.countEnded(owner, tokenEpoch - 1, at, reason),
            },
          },
          caller,
        ),
      (count) => count,
    );
  }

  private async revokeOne(tokenId: string, caller: Caller, owner: OwnerFilter): Promise<ApiToken> {
    // PostgreSQL would reject a string that is not a UUID.
    if (!isUuid(tokenId)) throw notFound();
    const deadline = this.database.deadlineOf(caller);
    const { token, isComplete } = await this.database.retried(deadline, async (manager) => {
      const seen = await this.tokens.read(manager, tokenId, owner);
      if (!seen) throw notFound();
      const holder = ownerOf(seen);
      // In the order of everything that makes or rotates a token.
      await this.owners.lock(manager, holder);
      const token = await this.tokens.lock(manager, tokenId, holder);
      if (!token) throw notFound();
      this.revoker.assertMayRevoke(token, caller);
      if (token.revokedAt) return { token, isComplete: true };
      const at = this.clock.now();
      const revoked = await this.revoker.revokeToken(manager, token, at, caller);
      // The descendants of a token belong to its successor, if it has one.
      const makerIds = token.replacedBy === null ? [makerIdOf(token)] : [];
      const { isComplete } = await this.lineage.revokeMadeBy(manager, holder, makerIds, at, caller);
      return { token: revoked, isComplete };
    });
    if (!isComplete) await this.sweeper.begin(ownerOf(token), deadline);
    return token;
  }
}
