import { Injectable } from '@nestjs/common';
import { auditDetailsOf, type CallContext } from '../audit/audit-event.js';
import { AuditWriter } from '../audit/audit-writer.js';
import { Clock } from '../common/clock.js';
import { hashSecret } from '../common/secret.js';
import { SigraError } from '../common/sigra-error.js';
import { isWellFormed } from '../common/token-format.js';
import { isUuid } from '../common/uuid.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { hasExpired } from '../persistence/api-token-row.js';
import { ApiTokenRepository } from '../persistence/api-token.repository.js';
import { CredentialReader } from '../persistence/credential-reader.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { apiTokenChannels } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';
import { type ApiToken, toApiToken } from './api-token.js';
import { traceOf } from './token-trace.js';

/** Ends tokens, with the audit row in the same transaction. What resolved is refused by the next request everywhere. */
@Injectable()
export class ApiTokenRevoker {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly database: SigraDatabase,
    private readonly credentials: CredentialReader,
    private readonly tokens: ApiTokenRepository,
    private readonly audit: AuditWriter,
  ) {}

  /** @param userId when given, a token of anybody else counts as absent */
  revoke(tokenId: string, context: CallContext, userId?: string): Promise<ApiToken> {
    return traced(
      apiTokenChannels.revoke,
      traceOf(tokenId),
      () => this.revokeOne(tokenId, context, userId),
      (token) => token,
    );
  }

  /**
   * Revokes a token for whoever holds it, also where its owner may not sign in any more. What is no token, or expired, stays
   * as it is.
   */
  async revokeByRawToken(rawToken: string, context: CallContext): Promise<void> {
    if (!isWellFormed(rawToken, this.config.apiTokens.prefix)) return;
    const found = await this.credentials.find(hashSecret(rawToken));
    const token = found?.token();
    if (!token || (token.expires_at && hasExpired(token.expires_at, this.clock.now()))) return;
    await this.revoke(token.id, context);
  }

  revokeAll(userId: string, context: CallContext): Promise<number> {
    return traced(
      apiTokenChannels.revokeAll,
      { userId },
      () =>
        this.database.transaction(async (manager) => {
          const count = await this.tokens.revokeAll(manager, userId, this.clock.now());
          if (count > 0) {
            const details = auditDetailsOf(context);
            await this.audit.append(manager, {
              ...details,
              action: 'api.token_revoke_all',
              targetId: userId,
              targetType: 'user',
              metadata: { ...details.metadata, count },
            });
          }
          return count;
        }),
      (count) => count,
    );
  }

  private async revokeOne(tokenId: string, context: CallContext, userId: string | undefined): Promise<ApiToken> {
    // Anything else than a UUID is no id of ours, and the database would only fail on it.
    if (!isUuid(tokenId)) throw notFound();
    return this.database.transaction(async (manager) => {
      const token = await this.tokens.lock(manager, tokenId, userId);
      if (!token) throw notFound();
      if (token.revoked_at) return toApiToken(token);
      const revoked = await this.tokens.markRevoked(manager, tokenId, this.clock.now());
      const details = auditDetailsOf(context);
      await this.audit.append(manager, {
        ...details,
        action: 'api.token_revoke',
        targetId: token.id,
        targetType: 'api_token',
        metadata: { ...details.metadata, userId: token.user_id, name: token.name },
      });
      return toApiToken(revoked);
    });
  }
}

function notFound(): SigraError {
  return new SigraError('not_found', 'There is no such token.');
}
