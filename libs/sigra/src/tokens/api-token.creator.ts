import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { eventOf, type NewAuditEvent } from '../audit/audit-event.js';
import { AuditWriter } from '../audit/audit.writer.js';
import { grantIps } from '../common/allowed-ips.js';
import { Clock } from '../common/clock.js';
import type { Deadline } from '../common/deadline.js';
import { distinctOwners, keyOfOwner, type Owner } from '../common/principal.js';
import { grantResources } from '../common/resource-limit.js';
import { hashSecret } from '../common/secret.js';
import { refuse, SigraError } from '../common/sigra-error.js';
import { hintOf, mintRawToken } from '../common/token-format.js';
import { kindMember, type TokenKind } from '../common/token-kinds.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { type Mint, MintingGate, type MintingCall } from '../owners/minting.gate.js';
import { ApiTokenRepository, type NewApiToken } from '../persistence/api-token.repository.js';
import { ChangeBatcher } from '../persistence/change-batcher.js';
import { OwnerRepository } from '../persistence/owner.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { makingOf } from '../persistence/tables.js';
import { type IdempotentRequest, type IssuedApiToken, IssueReplayer } from './issue.replayer.js';
import { parseExpiry, requestedExpiry } from './token-lifetime.js';
import type { TokenProperties } from './token-properties.js';

/** A checked request for a new token. */
export interface TokenCreation extends MintingCall {
  /** The id of the token. */
  readonly id: string;
  readonly kind: TokenKind;
  readonly properties: TokenProperties;
  /** As requested; see `CreateApiToken`. */
  readonly expiresAt: Date | null | undefined;
  readonly idempotent: IdempotentRequest | undefined;
}

/** A token with its secret, before its row is inserted. */
export interface DraftToken {
  readonly rawToken: string;
  readonly row: NewApiToken;
}

interface Draft extends DraftToken {
  readonly creation: TokenCreation;
}

type Outcome =
  | { readonly kind: 'issued'; readonly issued: IssuedApiToken }
  | { readonly kind: 'refused'; readonly error: SigraError };

/** Requests with the same idempotency key issue one token. */
function keyOf({ id, idempotent }: TokenCreation): string {
  return idempotent?.keyHash ?? id;
}

/** Rolls back: nothing was made, so the outcome is known even if the connection ends now. */
class NothingMade extends Error {
  constructor(readonly outcomes: ReadonlyMap<string, Outcome>) {
    super('sigra: all creations were refused');
  }
}

/**
 * Creates API tokens. Those of one moment share a transaction, and wait for the disk once. Three kinds are created alone: what a
 * credential makes, because it needs further queries; the tokens of an owner whose row is locked; and the repetition of a
 * request, which finds the answer to the first one.
 */
@Injectable()
export class ApiTokenCreator {
  private readonly cap: number;
  private readonly batcher: ChangeBatcher<TokenCreation, Outcome>;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly database: SigraDatabase,
    private readonly owners: OwnerRepository,
    private readonly gate: MintingGate,
    private readonly tokens: ApiTokenRepository,
    private readonly replayer: IssueReplayer,
    private readonly audit: AuditWriter,
  ) {
    this.cap = config.apiTokens.maxActivePerOwner;
    this.batcher = new ChangeBatcher({
      keyOf,
      make: (creations, timeout) => this.createTogether(creations, timeout),
      limit: config.lookupTimeout,
      // A second one would find the rows of the same owners locked.
      maxInFlight: 1,
    });
  }

  /** Creates a token, its audit row, and the answer for a repetition, or nothing. */
  async create(creation: TokenCreation, deadline: Deadline): Promise<IssuedApiToken> {
    const outcome = this.gate.isInPerson(creation.caller) ? await this.batcher.make(creation, deadline) : undefined;
    if (!outcome) return this.createAlone(creation, deadline);
    if (outcome.kind === 'refused') throw outcome.error;
    return outcome.issued;
  }

  /**
   * Makes a token with a new secret.
   *
   * @param token `originId` is null, except for a rotation
   */
  draft(
    { prefix }: TokenKind,
    mint: Mint,
    owner: Owner,
    token: TokenProperties & Pick<NewApiToken, 'id' | 'originId' | 'expiresAt' | 'createdAt'>,
  ): DraftToken {
    const rawToken = mintRawToken(prefix);
    const row = {
      ...token,
      ownerType: owner.type,
      ownerId: owner.id,
      tokenEpoch: mint.tokenEpoch,
      ...makingOf(mint),
      descendsFrom: mint.descendsFrom,
      prefix,
      hint: hintOf(rawToken, prefix),
      tokenHash: hashSecret(rawToken),
    };
    return { rawToken, row };
  }

  /**
   * Checks that a maker can make a token of a kind: a token, and everything that descends from one, makes tokens of its own
   * kind only. Otherwise a token could get a credential for the handlers that `@RequireKind()` keeps from it.
   *
   * @throws SigraError `kind_not_allowed`
   */
  async assertMayMake(manager: EntityManager, kind: TokenKind, { descendsFrom }: Mint): Promise<void> {
    if (kind.name === null || descendsFrom.length === 0) return;
    const prefixes = await this.tokens.prefixesOf(manager, descendsFrom);
    if (prefixes.every((prefix) => this.config.apiTokens.kinds.of({ prefix }) === kind)) return;
    throw refuse('kind_not_allowed', 'A token can make tokens of its own kind only.');
  }

  /**
   * Checks that an owner, whose row the transaction has locked, can have one more active token.
   *
   * @throws SigraError `too_many_tokens`
   */
  async assertBelowCap(manager: EntityManager, owner: Owner, now: Date): Promise<void> {
    this.assertLessThanCap(await this.tokens.countActive(manager, owner, now, this.cap));
  }

  private async createAlone(creation: TokenCreation, deadline: Deadline): Promise<IssuedApiToken> {
    const { owner, since, caller, kind } = creation;
    const create = async (manager: EntityManager) => {
      const mint = await this.gate.admit(manager, 'api_token', owner, since, caller);
      // Read after the lock, because the wait can take long.
      const now = this.clock.now();
      const draft = this.draftOf(creation, mint, now);
      await this.assertMayMake(manager, kind, mint);
      await this.assertBelowCap(manager, owner, now);
      return this.insert(manager, [draft]);
    };
    const issued = (await this.database.transaction(create, deadline.left, { settles: false })).get(keyOf(creation));
    if (!issued) throw new Error('sigra: the token was not inserted');
    return issued;
  }

  private async createTogether(
    creations: readonly TokenCreation[],
    timeout: number,
  ): Promise<ReadonlyMap<string, Outcome>> {
    const create = async (manager: EntityManager) => {
      const wanted = creations.map((creation) => ({
        creation,
        owners: this.gate.ownersOf(creation.owner, creation.caller),
      }));
      // A row that another transaction keeps locked must not delay the tokens of all other owners.
      const epochs = await this.owners.lockFree(manager, distinctOwners(wanted.flatMap(({ owners }) => owners)));
      const free = wanted.filter(({ owners }) => owners.every((owner) => epochs.has(keyOfOwner(owner))));
      // Requests with the same key have the same owner, so none of them commits in between.
      const answered = await this.replayer.answered(
        manager,
        free.map(({ creation }) => creation.idempotent),
      );
      const locked = free.filter(({ creation }) => !answered.has(keyOf(creation)));
      const now = this.clock.now();
      const counts = new Map(
        await this.tokens.countActiveOf(
          manager,
          distinctOwners(locked.map(({ creation }) => creation.owner)),
          now,
          this.cap,
        ),
      );
      const outcomes = new Map<string, Outcome>();
      const drafts: Draft[] = [];
      for (const { creation, owners } of locked) {
        const [current, ofMaker] = owners.map((owner) => epochs.get(keyOfOwner(owner)));
        if (!current) continue;
        const key = keyOfOwner(creation.owner);
        const count = counts.get(key) ?? 0;
        try {
          const mint = await this.gate.admitLocked(manager, 'api_token', creation, current, ofMaker);
          const draft = this.draftOf(creation, mint, now);
          this.assertLessThanCap(count);
          drafts.push(draft);
          counts.set(key, count + 1);
        } catch (error) {
          if (!(error instanceof SigraError)) throw error;
          outcomes.set(keyOf(creation), { kind: 'refused', error });
        }
      }
      if (drafts.length === 0) throw new NothingMade(outcomes);
      for (const [key, issued] of await this.insert(manager, drafts)) outcomes.set(key, { kind: 'issued', issued });
      return outcomes;
    };
    try {
      return await this.database.transaction(create, timeout, { settles: false });
    } catch (error) {
      if (error instanceof NothingMade) return error.outcomes;
      throw error;
    }
  }

  private draftOf(creation: TokenCreation, mint: Mint, now: Date): Draft {
    const { id, owner, kind, properties, expiresAt } = creation;
    const requested = requestedExpiry(expiresAt, now, kind, mint.endsAt);
    const granted = {
      ...properties,
      expiresAt: parseExpiry(requested, now, kind, mint.endsAt),
      allowedIps: grantIps(properties.allowedIps, mint.allowedIps),
      resources: grantResources(properties.resources, mint.resources),
      id,
      createdAt: now,
    };
    return { creation, ...this.draft(kind, mint, owner, granted) };
  }

  /** Inserts tokens, their audit rows, and the answers for repetitions. Returns what was issued, by `keyOf`. */
  private async insert(manager: EntityManager, drafts: readonly Draft[]): Promise<ReadonlyMap<string, IssuedApiToken>> {
    const [first, ...others] = drafts.map(({ row }) => row);
    if (!first) return new Map();
    const tokens = await this.tokens.insertAll(manager, [first, ...others]);
    await this.audit.append(manager, ...drafts.map(({ creation, row }) => this.eventOf(creation, row)));
    const issues = drafts.flatMap(({ creation, rawToken }) => {
      const token = tokens.get(creation.id);
      return token ? { creation, request: creation.idempotent, issued: { rawToken, token } } : [];
    });
    await this.replayer.keep(manager, ...issues);
    return new Map(issues.map(({ creation, issued }) => [keyOf(creation), issued]));
  }

  private eventOf({ id, owner, kind, caller }: TokenCreation, row: NewApiToken): NewAuditEvent {
    const { name, scopes, allowedIps, resources, expiresAt } = row;
    return eventOf(
      {
        action: 'api.token_create',
        targetId: id,
        targetType: 'api_token',
        owner,
        metadata: { ...kindMember({ kind: kind.name }), name, scopes, allowedIps, resources, expiresAt },
      },
      caller,
      this.config.users.type,
    );
  }

  private assertLessThanCap(count: number): void {
    if (count < this.cap) return;
    throw new SigraError('too_many_tokens', `An owner can have at most ${this.cap} active tokens; revoke one first.`);
  }
}
