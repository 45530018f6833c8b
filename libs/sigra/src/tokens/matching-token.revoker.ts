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
import { ApiTokenSearchRepository } from '../persistence/api-token-search.repository.js';
import { OwnerRepository } from '../persistence/owner.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { type LookedUpApiToken, ownerOf } from '../persistence/tables.js';
import { invalid } from './api-token.filter.js';

/** The tokens that a revocation would concern. */
export interface MatchingApiTokens {
  /** How many match and are not revoked: at most 100,000. */
  readonly count: number;
  /** The first ten of them, oldest first. */
  readonly sample: readonly LookedUpApiToken[];
}

/** What a revocation has done. */
export interface RevokedApiTokens {
  readonly revoked: number;
  /** How many are left. Repeat the call, with this number as `expectedCount`, until it is 0. */
  readonly remaining: number;
}

/** Tokens of one call: their transaction has to end within `lookupTimeout`. */
const BATCH_SIZE = 1000;
const MAX_COUNT = 100_000;
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
    const count = await this.count(filter, now);
    return { count, sample: await this.search.firstUnrevoked(filter, now, SAMPLE_SIZE) };
  }

  /**
   * Revokes the oldest thousand of the tokens, or all if there are fewer.
   *
   * @throws SigraError `count_mismatch`, `invalid_filter`; `insufficient_scope` when the caller's principal does not hold
   * all scopes of these tokens; `token_revoked`, `token_expired` or `epoch_mismatch` when its credential ended in the
   * meantime
   */
  async revoke(filter: ResolvedTokenFilter, expectedCount: number, caller: Caller): Promise<RevokedApiTokens> {
    const before = this.clock.now();
    const count = await this.count(filter, before);
    assertCount(count, expectedCount);
    const seen = await this.search.firstUnrevoked(filter, before, BATCH_SIZE);
    const ownerIds = [...new Set(seen.map(({ token }) => token.ownerId))];
    const { ownerType = this.config.users.type } = filter;
    const [first] = seen;
    if (!first) return { revoked: 0, remaining: 0 };
    await this.gate.assertMakerLives(caller.principal);
    // It begins here: the counts take as long as the table is large, and hold no lock.
    const deadline = this.database.deadlineOf({});
    const { revoked, isComplete } = await this.database.retried(deadline, async (manager) => {
      await this.lock(manager, ownerType, ownerIds, caller);
      const at = this.clock.now();
      const tokens = await this.search.lockUnrevoked(manager, filter, ownerIds, at, BATCH_SIZE);
      // A rotation in between leaves their number as it was, and everything else changes it.
      if (tokens.length !== seen.length) assertCount(count - seen.length + tokens.length, expectedCount);
      for (const token of tokens) this.revoker.assertMayRevoke(token, caller);
      await this.revoker.revokeTokens(manager, tokens, at, caller);
      const { isComplete } = await this.lineage.revokeMadeByTokens(manager, tokens, at, caller);
      return { revoked: tokens.length, isComplete };
    });
    // The sweeps of the other owners follow in the background.
    if (!isComplete) await this.sweeper.begin(ownerOf(first.token), deadline);
    return { revoked, remaining: count - revoked };
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

  private async count(filter: ResolvedTokenFilter, now: Date): Promise<number> {
    const count = await this.search.countUnrevoked(filter, now, MAX_COUNT + 1);
    if (count <= MAX_COUNT) return count;
    throw invalid(`The filter matches more than ${MAX_COUNT} tokens; narrow it, for example by createdBefore.`);
  }
}

function assertCount(count: number, expected: number): void {
  if (count === expected) return;
  throw refuse('count_mismatch', `The filter matches ${count} tokens now, not ${expected}; look at them again.`);
}
