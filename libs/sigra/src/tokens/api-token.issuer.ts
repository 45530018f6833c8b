import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { ownerMembers } from '../audit/audit-event.js';
import { AuditWriter } from '../audit/audit.writer.js';
import { grantIps } from '../common/allowed-ips.js';
import type { Caller } from '../common/caller.js';
import { Clock } from '../common/clock.js';
import type { Owner } from '../common/principal.js';
import { grantResources } from '../common/resource-limit.js';
import { hashSecret } from '../common/secret.js';
import { refuse, SigraError } from '../common/sigra-error.js';
import { hintOf, mintRawToken } from '../common/token-format.js';
import { kindMember, type TokenKind } from '../common/token-kinds.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { type Mint, MintingGate } from '../owners/minting.gate.js';
import { ScopeCeiling } from '../owners/scope.ceiling.js';
import { ApiTokenRepository, type NewApiToken } from '../persistence/api-token.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { OwnerDirectories, type OwnerRef } from '../persistence/owner-directories.js';
import { makingOf } from '../persistence/tables.js';
import { assertMayGrant } from '../scopes/assert-scopes.js';
import { ScopeRegistry } from '../scopes/scope-registry.js';
import { apiTokenChannels } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';
import { type IssuedApiToken, IssueReplayer } from './issue.replayer.js';
import { parseMetadata, parseProperties, type RequestedProperties, type TokenProperties } from './token-properties.js';
import { parseExpiry, requestedExpiry, timeOf } from './token-lifetime.js';

/** The properties of a token to create. */
export interface CreateApiToken extends RequestedProperties {
  /** The kind of the token: a name of `apiTokens.kinds`. @default the only kind; required if there are several */
  readonly kind?: string | null | undefined;
  /**
   * The token is rejected from this time on; null means never. @default after `apiTokens.defaultTtl`, but not later than the
   * end of the principal's own credential; without that option, the end of the credential, or never. Without the option,
   * required with `requireExpiry` or `maxTtl`
   */
  readonly expiresAt?: Date | null | undefined;
  /**
   * Repeats the answer when the same credential sends the same request again with this key, within ten minutes: 16 to 255 visible
   * ASCII characters, such as a random UUID. It is a secret, because it opens the sealed answer.
   */
  readonly idempotencyKey?: string | undefined;
}

/** Creates API tokens. */
@Injectable()
export class ApiTokenIssuer {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly scopes: ScopeRegistry,
    private readonly database: SigraDatabase,
    private readonly owners: OwnerDirectories,
    private readonly ceiling: ScopeCeiling,
    private readonly gate: MintingGate,
    private readonly replayer: IssueReplayer,
    private readonly tokens: ApiTokenRepository,
    private readonly audit: AuditWriter,
  ) {}

  /** Creates a token. See `ApiTokenService.create`. */
  async create(ref: OwnerRef, request: CreateApiToken, caller: Caller): Promise<IssuedApiToken> {
    const { apiTokens } = this.config;
    const owner = this.owners.ownerOf(ref);
    const properties = await parseProperties(request, { scopes: this.scopes, parseMetadata: apiTokens.parseMetadata });
    const { name, scopes } = properties;
    // As it was sent: the application can add a time or an id, which a repetition would have anew.
    const metadata = apiTokens.parseMetadata ? await parseMetadata(request.metadata, undefined) : properties.metadata;
    const kind = apiTokens.kinds.parse(request.kind, owner.type);
    this.ceiling.assertKindAllows(kind, scopes);
    assertMayGrant(caller.principal, scopes, apiTokens.rules);
    const id = uuidv7();
    const idempotent = this.replayer.identify(
      request.idempotencyKey,
      { kind: 'create', ownerId: owner.id },
      [{ ...properties, metadata, kind: kind.name ?? undefined }, timeOf(request.expiresAt)],
      owner,
      caller,
    );

    return traced(
      apiTokenChannels.create,
      { ...ownerMembers(owner, this.config.users.type), tokenId: id },
      async () => {
        const deadline = this.database.deadlineOf(caller);
        const since = await deadline.limit(this.gate.enter(owner, caller));
        await deadline.limit(this.ceiling.assertMayHold(ref, scopes));
        const issue = async (manager: EntityManager) => {
          const mint = await this.gate.admit(manager, 'api_token', owner, since, caller);
          // Read after the lock, because the wait can take long.
          const now = this.clock.now();
          const requested = requestedExpiry(request.expiresAt, now, kind, mint.endsAt);
          const expiresAt = parseExpiry(requested, now, kind, mint.endsAt);
          const allowedIps = grantIps(properties.allowedIps, mint.allowedIps);
          const resources = grantResources(properties.resources, mint.resources);
          await this.assertMayMake(manager, kind, mint);
          await this.assertBelowCap(manager, owner, now);
          const granted = {
            ...properties,
            allowedIps,
            resources,
            id,
            expiresAt,
            createdAt: now,
          };
          const issued = await this.mint(manager, kind, mint, owner, granted);
          await this.audit.record(
            manager,
            {
              action: 'api.token_create',
              targetId: id,
              targetType: 'api_token',
              owner,
              metadata: { ...kindMember(issued.token), name, scopes, allowedIps, resources, expiresAt },
            },
            caller,
          );
          await this.replayer.keep(manager, idempotent, issued);
          return issued;
        };
        return this.replayer.once(idempotent, caller, deadline, () =>
          this.database.transaction(issue, deadline.left, { settles: false }),
        );
      },
      ({ token }) => token,
    );
  }

  /**
   * Inserts a token with a new secret.
   *
   * @param token `originId` is null, except for a rotation
   */
  async mint(
    manager: EntityManager,
    { prefix }: TokenKind,
    mint: Mint,
    owner: Owner,
    token: TokenProperties & Pick<NewApiToken, 'id' | 'originId' | 'expiresAt' | 'createdAt'>,
  ): Promise<IssuedApiToken> {
    const rawToken = mintRawToken(prefix);
    return {
      rawToken,
      token: await this.tokens.insert(manager, {
        ...token,
        ownerType: owner.type,
        ownerId: owner.id,
        tokenEpoch: mint.tokenEpoch,
        ...makingOf(mint),
        descendsFrom: mint.descendsFrom,
        prefix,
        hint: hintOf(rawToken, prefix),
        tokenHash: hashSecret(rawToken),
      }),
    };
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
    const cap = this.config.apiTokens.maxActivePerOwner;
    if ((await this.tokens.countActive(manager, owner, now, cap)) >= cap) {
      throw new SigraError('too_many_tokens', `An owner can have at most ${cap} active tokens; revoke one first.`);
    }
  }
}
