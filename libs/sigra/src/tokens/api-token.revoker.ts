import { Injectable } from '@nestjs/common';
import { AuditWriter } from '../audit/audit.writer.js';
import type { Caller } from '../common/caller.js';
import { Clock, hasExpired } from '../common/clock.js';
import { hashSecret } from '../common/secret.js';
import { SigraError } from '../common/sigra-error.js';
import { isWellFormed } from '../common/token-format.js';
import { isUuid } from '../common/uuid.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { ApiTokenRepository } from '../persistence/api-token.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import type { ApiToken } from '../persistence/tables.js';
import { apiTokenChannels, tokenTrace } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';

/** Revokes tokens, with the audit row in the same transaction. Afterwards every node rejects them. */
@Injectable()
export class ApiTokenRevoker {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly database: SigraDatabase,
    private readonly tokens: ApiTokenRepository,
    private readonly audit: AuditWriter,
  ) {}

  /**
   * Revokes a token. See `ApiTokenService.revoke`.
   *
   * @param userId if given, a token of another user counts as missing
   */
  revoke(tokenId: string, caller: Caller, userId?: string): Promise<ApiToken> {
    return traced(
      apiTokenChannels.revoke,
      tokenTrace(tokenId),
      () => this.revokeOne(tokenId, caller, userId),
      (token) => token,
    );
  }

  /**
   * Revokes a token by its raw form, even if its owner is not active. Ignores unknown and expired tokens.
   */
  async revokeByRawToken(rawToken: string, caller: Caller): Promise<void> {
    if (!isWellFormed(rawToken, this.config.apiTokens.prefix)) return;
    const token = await this.tokens.find(hashSecret(rawToken));
    if (!token || hasExpired(token.expiresAt, this.clock.now())) return;
    await this.revoke(token.id, caller);
  }

  /** Revokes all active tokens of a user. @returns their number */
  revokeAll(userId: string, caller: Caller): Promise<number> {
    return traced(
      apiTokenChannels.revokeAll,
      { userId },
      () =>
        this.database.transaction(async (manager) => {
          const count = await this.tokens.revokeAll(manager, userId, this.clock.now());
          if (count > 0) {
            await this.audit.record(
              manager,
              { action: 'api.token_revoke_all', targetId: userId, targetType: 'user', metadata: { count } },
              caller,
            );
          }
          return count;
        }),
      (count) => count,
    );
  }

  private async revokeOne(tokenId: string, caller: Caller, userId: string | undefined): Promise<ApiToken> {
    // PostgreSQL would reject a string that is not a UUID.
    if (!isUuid(tokenId)) throw notFound();
    return this.database.transaction(async (manager) => {
      const token = await this.tokens.lock(manager, tokenId, userId);
      if (!token) throw notFound();
      if (token.revokedAt) return token;
      const revoked = await this.tokens.markRevoked(manager, tokenId, this.clock.now());
      const metadata = { userId: token.userId, name: token.name };
      await this.audit.record(
        manager,
        { action: 'api.token_revoke', targetId: token.id, targetType: 'api_token', metadata },
        caller,
      );
      return revoked;
    });
  }
}

function notFound(): SigraError {
  return new SigraError('not_found', 'There is no such token.');
}
