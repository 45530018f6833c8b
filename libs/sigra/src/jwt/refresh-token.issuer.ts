import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditWriter } from '../audit/audit.writer.js';
import type { Caller } from '../common/caller.js';
import { Clock, earliest, later } from '../common/clock.js';
import { type Owner, stampOf } from '../common/principal.js';
import { hashSecret } from '../common/secret.js';
import { SigraError } from '../common/sigra-error.js';
import { mintRefreshToken } from '../common/token-format.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { CredentialRevoker } from '../owners/credential.revoker.js';
import { type Mint, MintingGate } from '../owners/minting.gate.js';
import { ScopeCeiling } from '../owners/scope.ceiling.js';
import { OwnerStateReader } from '../persistence/owner-state.reader.js';
import { RefreshFamilyRepository } from '../persistence/refresh-family.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { makingOf } from '../persistence/tables.js';
import { UserDirectory, type UserRef } from '../persistence/user-directory.js';
import { assertMayGrant } from '../scopes/assert-scopes.js';
import { ScopeRegistry } from '../scopes/scope-registry.js';
import { jwtChannels } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';
import { AccessTokenSigner, ofFamily, outlives } from './access-token.signer.js';
import { enabledJwt } from './enabled-jwt.js';
import { type TokenBinding, thumbprintIn } from './token-binding.js';
import { type TokenPair, tokenPair } from './token-pair.js';

/** Starts families, each with its first refresh token and access token. */
@Injectable()
export class RefreshTokenIssuer {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly users: UserDirectory,
    private readonly scopes: ScopeRegistry,
    private readonly database: SigraDatabase,
    private readonly gate: MintingGate,
    private readonly ceiling: ScopeCeiling,
    private readonly owners: OwnerStateReader,
    private readonly revoker: CredentialRevoker,
    private readonly families: RefreshFamilyRepository,
    private readonly signer: AccessTokenSigner,
    private readonly audit: AuditWriter,
  ) {}

  /** Starts a family. See `SigraJwtService.generateTokens`. */
  async issue(
    userRef: UserRef,
    requested: readonly string[],
    caller: Caller,
    binding: TokenBinding,
  ): Promise<TokenPair> {
    enabledJwt(this.config);
    const dpopThumbprint = thumbprintIn(binding, this.config);
    const scopes = this.scopes.parseGrant(requested);
    assertMayGrant(caller.principal, scopes, this.config.apiTokens.rules);
    const requestedOwner = this.users.ownerOf(userRef);
    const id = uuidv7();

    return traced(
      jwtChannels.generate,
      { userId: requestedOwner.id, familyId: id },
      async () => {
        // Before the user is read, which can take long.
        const deadline = this.database.deadlineOf(caller);
        const since = await deadline.limit(this.gate.enter(requestedOwner, caller));
        const user = await deadline.limit(this.activeUser(userRef));
        // The owner that was found: `userRef` can be another spelling of its id.
        const owner = this.users.ownerOf(user);
        await deadline.limit(this.ceiling.assertMayHold(user, scopes));
        const ownClaims = await this.signer.ownClaims(user, deadline);
        const { absoluteTtl } = enabledJwt(this.config);
        const endsAt = later(this.clock.now(), absoluteTtl);
        const origin = { familyId: id };
        const limits = {
          allowedIps: stampOf(caller.principal)?.allowedIps ?? null,
          resources: caller.principal?.resources ?? null,
        };
        const claims = { owner, origin, epoch: since.familyEpoch, ownClaims, scopes, ...limits, dpopThumbprint };
        const signed = await deadline.limit(this.signer.sign({ ...claims, endsAt }));
        const begin = async (manager: EntityManager) => {
          const mint = await this.gate.admit(manager, 'refresh_family', owner, since, caller);
          const { family, token, rawToken } = this.begin(id, owner, scopes, mint, caller);
          await this.makeRoom(manager, owner, family.createdAt, caller);
          await this.families.insert(manager, { ...family, dpopThumbprint }, token);
          const metadata = { userId: owner.id, scopes };
          await this.audit.record(
            manager,
            { action: 'api.jwt_issue', targetId: id, targetType: 'refresh_family', metadata },
            caller,
          );
          const { absoluteExpiresAt } = family;
          // Rare: what makes the family ends soon, or was narrowed in the meantime.
          const isNarrowed = mint.allowedIps !== limits.allowedIps || mint.resources !== limits.resources;
          const isTooMuch = outlives(signed, absoluteExpiresAt) || isNarrowed;
          const fitting = isTooMuch ? await this.signer.sign({ ...claims, ...ofFamily(family) }) : signed;
          return tokenPair(fitting, rawToken, scopes);
        };
        return this.database.transaction(begin, deadline.left, { settles: false });
      },
      () => ({ familyId: id }),
    );
  }

  /** The rows of a family and its first token. */
  private begin(id: string, owner: Owner, scopes: readonly string[], mint: Mint, caller: Caller) {
    const { absoluteTtl, refreshTtl } = enabledJwt(this.config);
    const { familyEpoch: epoch, endsAt, allowedIps, resources, descendsFrom } = mint;
    const createdAt = this.clock.now();
    const rawToken = mintRefreshToken();
    const absoluteExpiresAt = earliest(later(createdAt, absoluteTtl), endsAt);
    const { ipAddress, userAgent } = caller;
    return {
      rawToken,
      family: {
        id,
        ownerType: owner.type,
        ownerId: owner.id,
        epoch,
        scopes,
        allowedIps,
        resources,
        ...makingOf(mint),
        descendsFrom,
        absoluteExpiresAt,
        ipAddress,
        userAgent,
        createdAt,
      },
      token: {
        id: uuidv7(),
        tokenHash: hashSecret(rawToken),
        expiresAt: earliest(later(createdAt, refreshTtl), absoluteExpiresAt),
        createdAt,
      },
    };
  }

  /**
   * Revokes the families that were refreshed longest ago, so that one more does not exceed `maxFamiliesPerOwner`.
   *
   * @throws SigraError `insufficient_scope` when the caller's principal does not hold all scopes of them
   */
  private async makeRoom(manager: EntityManager, owner: Owner, now: Date, caller: Caller): Promise<void> {
    const keep = enabledJwt(this.config).maxFamiliesPerOwner - 1;
    const evicted = await this.families.revokeLeastRecent(manager, owner, now, keep);
    if (evicted.length > 0) this.database.restrict(manager);
    for (const family of evicted) this.revoker.assertMayRevoke(family, caller);
    await this.audit.recordAll(
      manager,
      evicted.map(({ id: familyId }) => ({
        action: 'api.jwt_revoke',
        targetId: familyId,
        targetType: 'refresh_family',
        metadata: { userId: owner.id, reason: 'too_many_families' },
      })),
      caller,
    );
  }

  private async activeUser(userRef: UserRef): Promise<object> {
    const user = await this.owners.userOf(userRef);
    if (!user || !this.users.isActive(user)) throw new SigraError('not_found', 'There is no such active user.');
    return user;
  }
}
