import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditWriter } from '../audit/audit.writer.js';
import type { Caller } from '../common/caller.js';
import { Clock } from '../common/clock.js';
import { hashSecret } from '../common/secret.js';
import { SigraError } from '../common/sigra-error.js';
import { hintOf, mintRawToken } from '../common/token-format.js';
import { isUuid } from '../common/uuid.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { ApiTokenRepository, type NewApiToken } from '../persistence/api-token.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import type { ApiToken } from '../persistence/tables.js';
import { assertMayGrant } from '../scopes/assert-scopes.js';
import { ScopeRegistry } from '../scopes/scope-registry.js';
import { apiTokenChannels } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';
import { parseExpiry, parseName } from './token-request.js';

/** The properties of a token to create. */
export interface CreateApiToken {
  /** A name that helps the owner distinguish tokens: 1 to 255 characters. */
  readonly name: string;
  /** The scopes of the token: at least one registered scope or wildcard. */
  readonly scopes: readonly string[];
  /** The token is rejected from this time on. @default never; required with `requireExpiry` or `maxTtl` */
  readonly expiresAt?: Date | null | undefined;
}

/** A new token. The raw token exists only here: show it once, and do not store it. */
export interface IssuedApiToken {
  /** The secret that clients send. */
  readonly rawToken: string;
  readonly token: ApiToken;
}

/** Creates API tokens. */
@Injectable()
export class ApiTokenIssuer {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly scopes: ScopeRegistry,
    private readonly database: SigraDatabase,
    private readonly tokens: ApiTokenRepository,
    private readonly audit: AuditWriter,
  ) {}

  /** Creates a token. See `ApiTokenService.create`. */
  async create(userId: string, request: CreateApiToken, caller: Caller): Promise<IssuedApiToken> {
    const { apiTokens } = this.config;
    const now = this.clock.now();
    const name = parseName(request.name);
    const scopes = this.scopes.parseGrant(request.scopes);
    const expiresAt = parseExpiry(request.expiresAt, now, apiTokens);
    assertMayGrant(caller.principal, scopes, apiTokens.writeImpliesRead);
    const id = uuidv7();

    return traced(
      apiTokenChannels.create,
      { userId, tokenId: id },
      () =>
        this.database.transaction(async (manager) => {
          await this.assertStillLive(manager, caller.principal?.tokenId);
          const issued = await this.mint(manager, { id, userId, name, scopes, expiresAt, createdAt: now });
          const metadata = { userId, name, scopes, expiresAt };
          await this.audit.record(
            manager,
            { action: 'api.token_create', targetId: id, targetType: 'api_token', metadata },
            caller,
          );
          return issued;
        }),
      ({ token }) => token,
    );
  }

  /** Inserts a token with a new secret. */
  async mint(
    manager: EntityManager,
    token: Omit<NewApiToken, 'prefix' | 'hint' | 'tokenHash'>,
  ): Promise<IssuedApiToken> {
    const { prefix } = this.config.apiTokens;
    const rawToken = mintRawToken(prefix);
    const hint = hintOf(rawToken, prefix);
    return {
      rawToken,
      token: await this.tokens.insert(manager, { ...token, prefix, hint, tokenHash: hashSecret(rawToken) }),
    };
  }

  /**
   * Rejects a token that was revoked while it creates another one. `revokeAll` either waits for this transaction and revokes
   * both, or has committed before this check.
   */
  private async assertStillLive(manager: EntityManager, actingTokenId: string | undefined): Promise<void> {
    if (!isUuid(actingTokenId)) return;
    await this.tokens.holdOffRevokeAll(manager, actingTokenId);
    if (await this.tokens.isRevoked(manager, actingTokenId)) {
      throw new SigraError('token_revoked', 'The token that creates this one has been revoked.');
    }
  }
}
