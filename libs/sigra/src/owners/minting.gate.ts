import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Caller } from '../common/caller.js';
import { admitsIp, type AllowedIps, commonIps } from '../common/allowed-ips.js';
import { Clock, earliest, hasExpired } from '../common/clock.js';
import { type AnyPrincipal, type Owner, ownerOfPrincipal, type Stamp, stampOf } from '../common/principal.js';
import { commonResources, type ResourceLimit } from '../common/resource-limit.js';
import { refuse, SigraError } from '../common/sigra-error.js';
import { isUuid } from '../common/uuid.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { ApiTokenRepository } from '../persistence/api-token.repository.js';
import { type CredentialKind, LineageRepository } from '../persistence/lineage.repository.js';
import { type Epochs, OwnerRepository } from '../persistence/owner.repository.js';
import { OwnerStateReader } from '../persistence/owner-state.reader.js';
import { RefreshFamilyRepository } from '../persistence/refresh-family.repository.js';
import { type ApiToken, makerIdOf, type Making } from '../persistence/tables.js';
import { assertCovers } from '../scopes/assert-scopes.js';
import type { ScopeHolder } from '../scopes/can.js';
import { endOfToken, isExpired } from './end-of-token.js';

/** What a new credential inherits from what makes it. */
export interface Mint extends Epochs, Making {
  /** The end of the maker: nothing that it makes outlives it. Null means no end. */
  readonly endsAt: Date | null;
  /** The addresses that the maker is accepted from: nothing that it makes is accepted from others. */
  readonly allowedIps: AllowedIps;
  /** The resources that the maker is limited to: nothing that it makes holds others. */
  readonly resources: ResourceLimit;
  /** Every credential that it descends from. */
  readonly descendsFrom: readonly string[];
}

/** A call that makes a credential of an owner. */
export interface MintingCall {
  readonly owner: Owner;
  /** The result of `enter`. */
  readonly since: Epochs;
  readonly caller: Caller;
}

type Maker = Omit<Mint, keyof Epochs | 'creatorType' | 'creatorId'>;

/** Each maker is in a chain of living ones, so a real chain is short. */
const MAX_ANCESTORS = 64;
const IN_PERSON = {
  endsAt: null,
  allowedIps: null,
  resources: null,
  madeByTokenId: null,
  madeByFamilyId: null,
  descendsFrom: [],
} as const;

/** The epoch that ends a credential. */
const EPOCH_OF: Readonly<Record<CredentialKind, keyof Epochs>> = {
  api_token: 'tokenEpoch',
  refresh_family: 'familyEpoch',
};
const EPOCHS_OF_MAKER: Readonly<Record<AnyPrincipal['method'], readonly (keyof Epochs)[]>> = {
  api_token: ['tokenEpoch'],
  jwt: ['familyEpoch'],
  session: ['tokenEpoch', 'familyEpoch'],
  host: ['tokenEpoch', 'familyEpoch'],
};

/**
 * Admits everything that makes a credential, so that no revocation is outrun: not by a request that was authenticated
 * before it, and not by a call that read the epochs of the owner before it, which is the first thing that a call
 * without a principal does.
 */
@Injectable()
export class MintingGate {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly owners: OwnerRepository,
    private readonly states: OwnerStateReader,
    private readonly tokens: ApiTokenRepository,
    private readonly families: RefreshFamilyRepository,
    private readonly lineage: LineageRepository,
  ) {}

  /**
   * The owner's epochs when the call was authorized: those of the caller's stamp, or the current ones. Call it first, before
   * anything that takes time.
   *
   * @throws SigraError `unavailable`, `token_revoked` when the session has ended, or its user is not active any more
   */
  async enter(owner: Owner, { principal }: Caller): Promise<Epochs> {
    await this.assertMakerLives(principal);
    const stamp = stampOf(principal);
    const own = stamp && isSame(stamp.owner, owner) ? stamp : undefined;
    const { tokenEpoch, familyEpoch } = own ?? {};
    if (tokenEpoch !== undefined && familyEpoch !== undefined) return { tokenEpoch, familyEpoch };
    const current = await this.states.epochsOf(owner);
    return { tokenEpoch: tokenEpoch ?? current.tokenEpoch, familyEpoch: familyEpoch ?? current.familyEpoch };
  }

  /**
   * Checks a session and its user again. The session was read before the epochs of its stamp: only if it still lives, they are
   * those of a time at which it lived. Call it before the transaction, because the application can need a connection for it.
   *
   * @throws SigraError `token_revoked`, `unavailable`
   */
  async assertMakerLives(principal: AnyPrincipal | undefined): Promise<void> {
    const { isLive, owner } = stampOf(principal) ?? {};
    if (isLive && !(await isLive())) throw refuse('token_revoked', 'The session has ended in the meantime.');
    // The users of another module are not known here.
    if (!owner || !this.config.ownerTypes.some(({ type }) => type === owner.type)) return;
    if (!(await this.states.find(owner.id, undefined, owner.type))?.user) {
      throw refuse('token_revoked', 'The user is not active any more.');
    }
  }

  /**
   * Locks the owner and the maker until the transaction ends, and checks that nothing has ended since the call was
   * authorized. Revocation takes the same locks, so it ends before this check or sees what the transaction makes.
   *
   * @param since the result of `enter`
   * @throws SigraError `token_revoked`, `token_expired`, `epoch_mismatch`; `insufficient_scope` and `invalid_token` when the
   * credential was narrowed
   */
  async admit(
    manager: EntityManager,
    minted: CredentialKind,
    owner: Owner,
    since: Epochs,
    caller: Caller,
  ): Promise<Mint> {
    const [current, ofMaker] = await this.owners.lock(manager, ...this.ownersOf(owner, caller));
    if (!current) throw new Error('sigra: an owner was not locked');
    return this.admitLocked(manager, minted, { owner, since, caller }, current, ofMaker);
  }

  /** The owners that `admit` locks: that of the new credential, and that of its maker, if it is another. */
  ownersOf(owner: Owner, caller: Caller): readonly Owner[] {
    const stamp = this.makerStampOf(caller);
    return stamp && !isSame(stamp.owner, owner) ? [owner, stamp.owner] : [owner];
  }

  /** Whether no credential of Sigra makes something: then `admitLocked` asks the database nothing. */
  isInPerson(caller: Caller): boolean {
    const { tokenId, familyId } = this.makerStampOf(caller) ?? {};
    return tokenId === undefined && familyId === undefined;
  }

  /**
   * Like `admit`, for a transaction that has locked the owners.
   *
   * @param current the epochs of the owner
   * @param ofMaker the epochs of the maker's owner, if it is another
   */
  async admitLocked(
    manager: EntityManager,
    minted: CredentialKind,
    { owner, since, caller }: MintingCall,
    current: Epochs,
    ofMaker?: Epochs,
  ): Promise<Mint> {
    const { principal } = caller;
    const stamp = this.makerStampOf(caller);
    const isForeign = stamp !== undefined && !isSame(stamp.owner, owner);
    if (current[EPOCH_OF[minted]] !== since[EPOCH_OF[minted]]) {
      throw refuse('token_revoked', 'All such credentials of the owner were revoked in the meantime.');
    }
    const creator = { creatorType: isForeign ? stamp.owner.type : null, creatorId: isForeign ? stamp.owner.id : null };
    if (!principal || !stamp) return { ...current, ...creator, ...IN_PERSON };
    // A JWT that an API token got ends with the epochs of both.
    const isOfToken = principal.method === 'jwt' && stamp.tokenId !== undefined;
    for (const epoch of EPOCHS_OF_MAKER[isOfToken ? 'session' : principal.method]) {
      if (stamp[epoch] !== undefined && stamp[epoch] !== (ofMaker ?? current)[epoch]) {
        throw refuse(
          principal.method === 'api_token' ? 'token_revoked' : 'epoch_mismatch',
          'All such credentials of the principal were revoked in the meantime.',
        );
      }
    }
    return { ...current, ...creator, ...(await this.lockMaker(manager, stamp, ofMaker ?? current, principal)) };
  }

  /** The end of what made a token, which neither the token nor a successor outlives; null for none. */
  async endOfMaker(manager: EntityManager, token: ApiToken): Promise<Date | null> {
    if (token.madeByTokenId !== null) {
      const maker = await this.tokens.readSuccessor(manager, token.madeByTokenId, {});
      return maker ? endOfToken(maker, this.config.apiTokens) : token.expiresAt;
    }
    if (token.madeByFamilyId === null) return null;
    const family = await this.families.read(manager, token.madeByFamilyId, { type: this.config.users.type });
    return family ? family.absoluteExpiresAt : token.expiresAt;
  }

  private makerStampOf({ principal }: Caller): Stamp | undefined {
    return principal && (stampOf(principal) ?? unstamped(principal, this.config.users.type));
  }

  /** @param epochs the current ones of the maker's owner */
  private async lockMaker(
    manager: EntityManager,
    stamp: Stamp,
    epochs: Epochs,
    principal: AnyPrincipal,
  ): Promise<Maker> {
    const { owner, tokenId, familyId, endsAt } = stamp;
    if (tokenId !== undefined) return this.lockToken(manager, stamp, tokenId, epochs, principal);
    if (familyId === undefined) {
      if (!isKnown(principal)) throw revoked();
      if (hasExpired(endsAt ?? null, this.clock.now())) throw expired();
      return {
        ...IN_PERSON,
        endsAt: endsAt ?? null,
        allowedIps: addressesOf(stamp),
        resources: resourcesOf(principal),
      };
    }
    const family = await this.families.lock(manager, familyId, owner);
    if (family?.epoch !== epochs.familyEpoch || family.revokedAt) throw revoked();
    if (hasExpired(family.absoluteExpiresAt, this.clock.now())) throw expired();
    this.assertStillHolds(family, principal);
    const descendsFrom = await this.lineageOf(manager, 'refresh_family', familyId, familyId);
    return {
      endsAt: family.absoluteExpiresAt,
      allowedIps: addressesOf(stamp, family),
      resources: resourcesOf(principal, family),
      madeByTokenId: null,
      madeByFamilyId: familyId,
      descendsFrom,
    };
  }

  private async lockToken(
    manager: EntityManager,
    stamp: Stamp,
    tokenId: string,
    { tokenEpoch }: Epochs,
    principal: AnyPrincipal,
  ): Promise<Maker> {
    const { owner } = stamp;
    const presented = await this.tokens.lock(manager, tokenId, owner);
    if (presented?.tokenEpoch !== tokenEpoch) throw revoked();
    const madeByTokenId = makerIdOf(presented);
    // A token in its grace period makes credentials for its successor, which is the same credential to its owner.
    const heir =
      presented.replacedBy === null ? presented : await this.tokens.lockSuccessor(manager, madeByTokenId, owner);
    if (presented.revokedAt || !heir || heir.revokedAt) throw revoked();
    this.assertStillHolds(presented, principal);
    // With `enforceOnExisting`, rules that came later end a token before its expiry.
    const endsAt = earliest(endOfToken(presented, this.config.apiTokens), endOfToken(heir, this.config.apiTokens));
    const now = this.clock.now();
    // What the token makes is judged by its own uses, so that `idleTtl` does not move its end.
    if (hasExpired(endsAt, now) || isExpired(presented, this.config.apiTokens, now)) throw expired();
    const descendsFrom = await this.lineageOf(manager, 'api_token', madeByTokenId, presented.id, heir.id);
    const allowedIps = addressesOf(stamp, presented, heir);
    const resources = resourcesOf(principal, presented, heir);
    return { endsAt, allowedIps, resources, madeByTokenId, madeByFamilyId: null, descendsFrom };
  }

  /**
   * A credential can have been narrowed since the request was authenticated.
   *
   * @throws SigraError `insufficient_scope`; `invalid_token` when it is not accepted from the address of the request any more
   */
  private assertStillHolds(credential: ScopeHolder & Accepted, principal: AnyPrincipal): void {
    const stamp = stampOf(principal);
    // The application decides about the scopes of a principal that it made itself.
    if (!stamp) return;
    if (credential.allowedIps !== null && !admitsIp(credential.allowedIps, stamp.from?.ipAddress)) {
      throw refuse('invalid_token', 'The credential is not accepted from this address any more.');
    }
    const { rules } = this.config.apiTokens;
    assertCovers(credential.scopes, principal.scopes, rules, 'The credential was narrowed in the meantime.');
  }

  /** What a new credential of a maker descends from. @throws SigraError `too_many_makers` */
  private async lineageOf(
    manager: EntityManager,
    kind: CredentialKind,
    makerId: string,
    ...ids: readonly string[]
  ): Promise<readonly string[]> {
    const ancestors = new Set([...(await this.lineage.ancestorsOf(manager, kind, ...ids)), makerId]);
    if (ancestors.size <= MAX_ANCESTORS) return [...ancestors];
    throw new SigraError(
      'too_many_makers',
      `A credential can descend from at most ${MAX_ANCESTORS} others; make it with an earlier one, or in person.`,
    );
  }
}

type Accepted = Pick<ApiToken, 'allowedIps'>;

/**
 * The addresses of what a principal makes: those that it was accepted from and its credential is accepted from. They are
 * those of the stamp itself, unless the credential has lost some since.
 */
function addressesOf({ allowedIps = null }: Stamp, ...credentials: readonly Accepted[]): AllowedIps {
  return credentials.reduce<AllowedIps>((common, credential) => commonIps(common, credential.allowedIps), allowedIps);
}

/** The resources of what a principal makes: those that it held when it was authenticated and its credential still holds. */
function resourcesOf(principal: AnyPrincipal, ...credentials: readonly Pick<ApiToken, 'resources'>[]): ResourceLimit {
  const held = principal.resources ?? null;
  return credentials.reduce<ResourceLimit>((common, { resources }) => commonResources(common, resources), held);
}

/** The stamp of a principal that the application made itself. Its epochs are not known. */
function unstamped(principal: AnyPrincipal, type: string): Stamp {
  const { tokenId, familyId } = principal;
  return {
    owner: ownerOfPrincipal(principal, type),
    tokenId: isUuid(tokenId) ? tokenId : undefined,
    familyId: isUuid(familyId) ? familyId : undefined,
  };
}

/**
 * Whether it is known what a principal without the id of a credential is: the application makes sessions and principals of
 * its own without a stamp, but a token or JWT without one, such as a copy by way of JSON, could have been revoked.
 */
function isKnown(principal: AnyPrincipal): boolean {
  return stampOf(principal) !== undefined || principal.method === 'session' || principal.method === 'host';
}

function isSame(one: Owner, other: Owner): boolean {
  return one.type === other.type && one.id === other.id;
}

function revoked(): SigraError {
  return refuse('token_revoked', 'The credential that makes this one has been revoked.');
}

function expired(): SigraError {
  return refuse('token_expired', 'The credential that makes this one has expired.');
}
