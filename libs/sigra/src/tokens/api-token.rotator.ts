import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditWriter } from '../audit/audit.writer.js';
import type { Caller } from '../common/caller.js';
import { Clock, hasExpired } from '../common/clock.js';
import { SigraError } from '../common/sigra-error.js';
import { isUuid } from '../common/uuid.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { ApiTokenRepository } from '../persistence/api-token.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import type { ApiToken } from '../persistence/tables.js';
import { assertMayGrant } from '../scopes/assert-scopes.js';
import { apiTokenChannels, tokenTrace } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';
import { ApiTokenIssuer, type IssuedApiToken } from './api-token.issuer.js';
import { parseExpiry, parseGrace } from './token-request.js';

/** The options of a rotation. */
export interface RotateApiToken {
  /** How long the old token stays valid, in seconds, 0 to 2,592,000, but never beyond its expiry. @default 0 */
  readonly graceSeconds?: number | undefined;
  /** The new token is rejected from this time on. @default now plus the old token's lifetime */
  readonly expiresAt?: Date | null | undefined;
}

/** Replaces tokens with successors. Only one of several concurrent rotations of a token succeeds. */
@Injectable()
export class ApiTokenRotator {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly database: SigraDatabase,
    private readonly tokens: ApiTokenRepository,
    private readonly issuer: ApiTokenIssuer,
    private readonly audit: AuditWriter,
  ) {}

  /**
   * Rotates a token. See `ApiTokenService.rotate`.
   *
   * @param userId if given, a token of another user counts as missing
   */
  async rotate(tokenId: string, request: RotateApiToken, caller: Caller, userId?: string): Promise<IssuedApiToken> {
    const graceSeconds = parseGrace(request.graceSeconds);
    return traced(
      apiTokenChannels.rotate,
      tokenTrace(tokenId),
      () =>
        this.database.transaction(async (manager) => {
          const old = await this.lock(manager, tokenId, userId);
          // Read after the lock, because the wait can take long.
          const now = this.clock.now();
          assertRotatable(old, now);
          return this.replace(manager, old, { ...request, graceSeconds }, caller, now);
        }),
      (issued) => issued.token,
    );
  }

  private async lock(manager: EntityManager, tokenId: string, userId?: string): Promise<ApiToken | undefined> {
    if (!isUuid(tokenId)) return undefined;
    await this.tokens.holdOffRevokeAll(manager, tokenId);
    return this.tokens.lock(manager, tokenId, userId);
  }

  private async replace(
    manager: EntityManager,
    old: ApiToken,
    request: RotateApiToken & { readonly graceSeconds: number },
    caller: Caller,
    now: Date,
  ): Promise<IssuedApiToken> {
    const { apiTokens } = this.config;
    const { graceSeconds, expiresAt = sameLifetime(old, now, apiTokens.maxTtl) } = request;
    assertMayGrant(caller.principal, old.scopes, apiTokens.writeImpliesRead);
    const successorId = uuidv7();
    const issued = await this.issuer.mint(manager, {
      ...settingsOf(old),
      id: successorId,
      expiresAt: parseExpiry(expiresAt, now, apiTokens),
      createdAt: now,
    });
    await this.tokens.markReplaced(manager, old.id, {
      replacedBy: successorId,
      revokedAt: graceSeconds === 0 ? now : null,
      expiresAt: graceSeconds === 0 ? old.expiresAt : earlier(old.expiresAt, later(now, graceSeconds)),
    });
    await this.audit.record(
      manager,
      {
        action: 'api.token_rotate',
        targetId: old.id,
        targetType: 'api_token',
        metadata: { userId: old.userId, replacedBy: successorId, graceSeconds },
      },
      caller,
    );
    return issued;
  }
}

function assertRotatable(token: ApiToken | undefined, now: Date): asserts token is ApiToken {
  if (!token) throw new SigraError('not_found', 'There is no such token.');
  if (token.revokedAt) throw new SigraError('token_revoked', 'The token has been revoked.');
  if (hasExpired(token.expiresAt, now)) throw new SigraError('token_expired', 'The token has expired.');
  if (token.replacedBy) throw new SigraError('token_revoked', 'The token has already been rotated.');
}

/** The part of a token that survives its rotation. */
function settingsOf({
  id,
  prefix,
  hint,
  expiresAt,
  revokedAt,
  lastUsedAt,
  lastUsedIp,
  replacedBy,
  createdAt,
  ...settings
}: ApiToken) {
  return settings;
}

/** The lifetime survives rotation, too. A token without an expiry gets the longest lifetime that is allowed now. */
function sameLifetime({ expiresAt, createdAt }: ApiToken, now: Date, maxTtl = Infinity): Date | null {
  const ttl = expiresAt ? (expiresAt.getTime() - createdAt.getTime()) / 1000 : Infinity;
  const allowed = Math.min(ttl, maxTtl);
  return allowed === Infinity ? null : later(now, allowed);
}

function later(date: Date, seconds: number): Date {
  return new Date(date.getTime() + seconds * 1000);
}

function earlier(a: Date | null, b: Date): Date {
  return a && a < b ? a : b;
}
