import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Caller } from '../common/caller.js';
import { Clock } from '../common/clock.js';
import { ownerOfPrincipal } from '../common/principal.js';
import { refuse } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { CredentialRevoker } from '../owners/credential.revoker.js';
import { CredentialSweeper } from '../owners/credential.sweeper.js';
import { LineageRevoker } from '../owners/lineage.revoker.js';
import { MintingGate } from '../owners/minting.gate.js';
import type { ResolvedTokenFilter } from '../persistence/api-token-filter.js';
import {
  ApiTokenSearchRepository,
  MAX_MATCHING,
  type MatchingTokens,
} from '../persistence/api-token-search.repository.js';
import { OwnerRepository } from '../persistence/owner.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import type { LookedUpApiToken } from '../persistence/tables.js';
import { invalid } from './api-token.filter.js';

/** The tokens that a revocation would concern. */
export interface MatchingApiTokens {
  /** How many match and are not revoked: at most 100,000. */
  readonly count: number;
  /** Names exactly these tokens. A token counts as the same after its rotation. */
  readonly digest: string;
  /** The first ten of them, oldest first. */
  readonly sample: readonly LookedUpApiToken[];
}

/** What a revocation has done. */
export interface RevokedApiTokens {
  readonly revoked: number;
  /** How many are left. Repeat the call until it is 0. */
  readonly remaining: number;
  /** Of the tokens that are left, for the next call. */
  readonly digest: string;
}

/** Tokens of one call: their transaction has to end within `lookupTimeout`. */
const BATCH_SIZE = 1000;
const SAMPLE_SIZE = 10;

/** Revokes all tokens that match a filter, in batches, each in one transaction with its audit rows. */
@Injectable()
export class MatchingTokenRevoker {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly database: SigraDatabase,
    private readonly search: ApiTokenSearchRepository,
    private readonly owners: OwnerRepository,
    private readonly gate: MintingGate,
    private readonly revoker: CredentialRevoker,
    private readonly lineage: LineageRevoker,
    private readonly sweeper: CredentialSweeper,
  ) {}

  /** Counts the tokens, and changes nothing. @throws SigraError `invalid_filter` for more than 100,000 tokens */
  async preview(filter: ResolvedTokenFilter): Promise<MatchingApiTokens> {
    const now = this.clock.now();
    const { count, digest } = await this.describe(filter, now, 0);
    return { count, digest, sample: await this.search.firstUnrevoked(filter, now, SAMPLE_SIZE) };
  }

  /**
   * Revokes the oldest thousand of the tokens, or all if there are fewer.
   *
   * @throws SigraError `digest_mismatch`, `invalid_filter`; `insufficient_scope` when the caller's principal does not hold
   * all scopes of these tokens; `token_revoked`, `token_expired` or `epoch_mismatch` when its credential ended in the
   * meantime
   */
  async revoke(filter: ResolvedTokenFilter, digest: string, caller: Caller): Promise<RevokedApiTokens> {
    const seen = await this.describe(filter, this.clock.now(), BATCH_SIZE);
    if (seen.digest !== digest) {
      throw refuse(
        'digest_mismatch',
        `The filter matches ${seen.count} tokens now, not the same ones: look at them again.`,
      );
    }
    const { ownerType: type = this.config.users.type } = filter;
    const left = { remaining: seen.othersCount, digest: seen.othersDigest };
    const [ownerId] = seen.ownerIds;
    if (ownerId === undefined) {
      // Another call can have revoked them, which waits.
      await this.database.settled();
      return { revoked: 0, ...left };
    }
    await this.gate.assertMakerLives(caller.principal);
    // It begins here: the counts take as long as the table is large, and hold no lock.
    const deadline = this.database.deadlineOf({});
    const { revoked, isComplete } = await this.database.retried(deadline, async (manager) => {
      await this.lock(manager, type, seen.ownerIds, caller);
      const at = this.clock.now();
      // Those that were seen and their successors: a rotation in between saves none, and others need another look.
      const tokens = await this.search.lockUnrevoked(manager, filter, seen, at);
      for (const token of tokens) this.revoker.assertMayRevoke(token, caller);
      await this.revoker.revokeTokens(manager, tokens, at, caller);
      const { isComplete } = await this.lineage.revokeMadeByTokens(manager, tokens, at, caller);
      return { revoked: tokens.length, isComplete };
    });
    // The sweeps of the other owners follow in the background.
    if (!isComplete) await this.sweeper.begin({ type, id: ownerId }, deadline);
    return { revoked, ...left };
  }

  /** In the order of everything that makes or rotates a token: such calls that are under way have ended afterwards, or wait. */
  private async lock(manager: EntityManager, type: string, ownerIds: readonly string[], caller: Caller): Promise<void> {
    const others = ownerIds.map((id) => ({ type, id }));
    const { principal } = caller;
    if (!principal) {
      await this.owners.lock(manager, ...others);
      return;
    }
    const own = ownerOfPrincipal(principal, this.config.users.type);
    const [epochs] = await this.owners.lock(manager, own, ...others);
    // An administrator who was locked out while the tokens were counted revokes nothing.
    if (epochs) await this.gate.admit(manager, 'api_token', own, epochs, caller);
  }

  private async describe(filter: ResolvedTokenFilter, now: Date, first: number): Promise<MatchingTokens> {
    const described = await this.search.describeUnrevoked(filter, now, first);
    if (described.count <= MAX_MATCHING) return described;
    throw invalid(`The filter matches more than ${MAX_MATCHING} tokens; narrow it, for example by createdBefore.`);
  }
}
