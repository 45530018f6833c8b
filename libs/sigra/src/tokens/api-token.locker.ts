import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Caller } from '../common/caller.js';
import { Clock, hasExpired } from '../common/clock.js';
import type { Owner } from '../common/principal.js';
import { SigraError } from '../common/sigra-error.js';
import { isUuid } from '../common/uuid.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { type Mint, MintingGate } from '../owners/minting.gate.js';
import { ApiTokenRepository } from '../persistence/api-token.repository.js';
import { idleEndOf } from '../persistence/token-expiry.js';
import type { OwnerFilter } from '../persistence/owner.repository.js';
import { type ApiToken, ownerOf } from '../persistence/tables.js';
import { assertMayManage } from '../scopes/assert-scopes.js';

/** A token that a transaction has locked, and that its caller can replace or change. */
export interface LockedToken {
  readonly token: ApiToken;
  readonly owner: Owner;
  /** What the caller's credential lets it make. */
  readonly mint: Mint;
  /** The end of what made the token, which neither the token nor a successor outlives. */
  readonly makerEndsAt: Date | null;
  /** Read after the lock, because the wait can take long. */
  readonly now: Date;
}

/** Locks tokens that are to be replaced or changed, and checks that the caller can do so. */
@Injectable()
export class ApiTokenLocker {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly gate: MintingGate,
    private readonly tokens: ApiTokenRepository,
  ) {}

  /**
   * Locks a token, its owner and the credential of the caller until the transaction ends.
   *
   * @param filter tokens of other owners count as missing
   * @throws SigraError `not_found`, `token_revoked` (revoked or already rotated), `token_expired`; `insufficient_scope` and
   * `resource_not_allowed` when the caller's principal does not hold all scopes, or resources, of the token; also the errors of `MintingGate.admit`
   */
  async lock(manager: EntityManager, tokenId: string, filter: OwnerFilter, caller: Caller): Promise<LockedToken> {
    const seen = isUuid(tokenId) ? await this.tokens.read(manager, tokenId, filter) : undefined;
    if (!seen) throw notFound();
    const owner = ownerOf(seen);
    // The token's own epoch: a revocation of all tokens has ended it.
    const since = { tokenEpoch: seen.tokenEpoch, familyEpoch: 0 };
    const mint = await this.gate.admit(manager, 'api_token', owner, since, caller);
    const token = await this.tokens.lock(manager, tokenId, owner);
    const now = this.clock.now();
    assertCurrent(token, now, this.config.apiTokens);
    // The credential can have lost resources since the principal was authenticated.
    const manages = caller.principal && { scopes: caller.principal.scopes, resources: mint.resources };
    assertMayManage(manages, token, this.config.apiTokens.rules);
    return { token, owner, mint, makerEndsAt: await this.gate.endOfMaker(manager, token), now };
  }
}

/** The error for a token that does not exist, or that is not the caller's to know. */
export function notFound(): SigraError {
  return new SigraError('not_found', 'There is no such token.');
}

function assertCurrent(
  token: ApiToken | undefined,
  now: Date,
  rules: SigraConfig['apiTokens'],
): asserts token is ApiToken {
  if (!token) throw notFound();
  if (token.revokedAt) throw new SigraError('token_revoked', 'The token has been revoked.');
  if (hasExpired(token.expiresAt, now) || hasExpired(idleEndOf(token, rules), now)) {
    throw new SigraError('token_expired', 'The token has expired.');
  }
  if (token.replacedBy) throw new SigraError('token_revoked', 'The token has already been rotated.');
}
