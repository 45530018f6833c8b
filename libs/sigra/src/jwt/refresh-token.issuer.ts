import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { auditDetailsOf, type CallContext } from '../audit/audit-event.js';
import { AuditWriter } from '../audit/audit-writer.js';
import { Clock } from '../common/clock.js';
import { hashSecret } from '../common/secret.js';
import { SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type JwtConfig, type SigraConfig } from '../config/sigra-config.js';
import { RefreshTokenRepository } from '../persistence/refresh-token.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { UserDirectory, type UserRef } from '../persistence/user-directory.js';
import { assertMayGrant } from '../scopes/assert-may-grant.js';
import { ScopeRegistry } from '../scopes/scope-registry.js';
import { jwtChannels } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';
import { AccessTokenSigner } from './access-token.signer.js';
import { mintRefreshToken } from './refresh-token-format.js';
import { type TokenPair, tokenPair } from './token-pair.js';

/** Starts sign-ins: a refresh family, its first refresh token and an access token. */
@Injectable()
export class RefreshTokenIssuer {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly users: UserDirectory,
    private readonly scopes: ScopeRegistry,
    private readonly database: SigraDatabase,
    private readonly refreshTokens: RefreshTokenRepository,
    private readonly signer: AccessTokenSigner,
    private readonly audit: AuditWriter,
  ) {}

  async issue(
    userRef: UserRef,
    requested: readonly string[],
    context: CallContext,
    config: JwtConfig,
  ): Promise<TokenPair> {
    const scopes = this.scopes.parseGrant(requested);
    assertMayGrant(context.principal, scopes, this.config.apiTokens.writeImpliesRead);
    const user = await this.activeUser(userRef, this.users.idOf(userRef));
    // The user's own id: what was given may be another spelling of it.
    const userId = this.users.idOf(user);
    const ownClaims = await this.signer.ownClaims(user);
    const now = this.clock.now();
    const rawToken = mintRefreshToken();
    const familyId = uuidv7();
    const absoluteExpiresAt = new Date(now.getTime() + config.absoluteTtl * 1000);

    const signed = await traced(
      jwtChannels.generate,
      { userId, familyId },
      () =>
        this.database.transaction(async (manager) => {
          const { epoch } = await this.refreshTokens.insertFamily(
            manager,
            {
              id: familyId,
              userId,
              scopes,
              absoluteExpiresAt,
              ip: context.ipAddress,
              userAgent: context.userAgent,
              createdAt: now,
            },
            {
              id: uuidv7(),
              tokenHash: hashSecret(rawToken),
              expiresAt: new Date(now.getTime() + config.refreshTtl * 1000),
              createdAt: now,
            },
          );
          const details = auditDetailsOf(context);
          await this.audit.append(manager, {
            ...details,
            action: 'api.jwt_issue',
            targetId: familyId,
            targetType: 'refresh_family',
            metadata: { ...details.metadata, userId, scopes },
          });
          return this.signer.sign({ userId, ownClaims, familyId, epoch, scopes, familyExpiresAt: absoluteExpiresAt });
        }),
      () => ({ familyId }),
    );
    return tokenPair(signed, rawToken, scopes);
  }

  private async activeUser(userRef: UserRef, id: string): Promise<object> {
    const user = typeof userRef === 'object' ? userRef : await this.users.findActive(id);
    if (!user || !this.users.isActive(user)) throw new SigraError('not_found', 'There is no such active user.');
    return user;
  }
}
