import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AuditWriter } from '../audit/audit.writer.js';
import type { Caller } from '../common/caller.js';
import { Clock } from '../common/clock.js';
import { hashSecret } from '../common/secret.js';
import { SigraError } from '../common/sigra-error.js';
import { mintRefreshToken } from '../common/token-format.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { RefreshFamilyRepository } from '../persistence/refresh-family.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { UserDirectory, type UserRef } from '../persistence/user-directory.js';
import { assertMayGrant } from '../scopes/assert-scopes.js';
import { ScopeRegistry } from '../scopes/scope-registry.js';
import { jwtChannels } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';
import { AccessTokenSigner } from './access-token.signer.js';
import { enabledJwt } from './jwt-config.js';
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
    private readonly families: RefreshFamilyRepository,
    private readonly signer: AccessTokenSigner,
    private readonly audit: AuditWriter,
  ) {}

  /** Starts a family. See `SigraJwtService.generateTokens`. */
  async issue(userRef: UserRef, requested: readonly string[], caller: Caller): Promise<TokenPair> {
    const { absoluteTtl, refreshTtl } = enabledJwt(this.config);
    const scopes = this.scopes.parseGrant(requested);
    assertMayGrant(caller.principal, scopes, this.config.apiTokens.writeImpliesRead);
    const user = await this.activeUser(userRef);
    // The id of the user that was found: `userRef` can be another spelling.
    const userId = this.users.idOf(user);
    const ownClaims = await this.signer.ownClaims(user);
    const now = this.clock.now();
    const rawToken = mintRefreshToken();
    const family = {
      id: uuidv7(),
      userId,
      scopes,
      absoluteExpiresAt: new Date(now.getTime() + absoluteTtl * 1000),
      ipAddress: caller.ipAddress,
      userAgent: caller.userAgent,
      createdAt: now,
    };
    const token = {
      id: uuidv7(),
      tokenHash: hashSecret(rawToken),
      expiresAt: new Date(now.getTime() + refreshTtl * 1000),
      createdAt: now,
    };

    return traced(
      jwtChannels.generate,
      { userId, familyId: family.id },
      () =>
        this.database.transaction(async (manager) => {
          const epoch = await this.families.insert(manager, family, token);
          await this.audit.record(
            manager,
            {
              action: 'api.jwt_issue',
              targetId: family.id,
              targetType: 'refresh_family',
              metadata: { userId, scopes },
            },
            caller,
          );
          const signed = this.signer.sign({ family: { ...family, epoch }, ownClaims, scopes });
          return tokenPair(signed, rawToken, scopes);
        }),
      () => ({ familyId: family.id }),
    );
  }

  private async activeUser(userRef: UserRef): Promise<object> {
    const id = this.users.idOf(userRef);
    const user = typeof userRef === 'object' ? userRef : await this.users.findActive(id);
    if (!user || !this.users.isActive(user)) throw new SigraError('not_found', 'There is no such active user.');
    return user;
  }
}
