import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { auditDetailsOf, type CallContext } from '../audit/audit-event.js';
import { AuditWriter } from '../audit/audit-writer.js';
import { Clock } from '../common/clock.js';
import { hashSecret } from '../common/secret.js';
import { SigraError } from '../common/sigra-error.js';
import { isUuid } from '../common/uuid.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { type ApiTokenRow, hasExpired } from '../persistence/api-token-row.js';
import { ApiTokenRepository, type NewApiTokenRow } from '../persistence/api-token.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { assertMayGrant } from '../scopes/assert-may-grant.js';
import { ScopeRegistry } from '../scopes/scope-registry.js';
import { apiTokenChannels } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';
import { type IssuedApiToken, toApiToken } from './api-token.js';
import { hintOf, mintRawToken } from '../common/token-format.js';
import { parseExpiry, parseGrace, parseName } from './token-request.js';
import { traceOf } from './token-trace.js';

/** What a token is made of. */
export interface CreateApiToken {
  /** For people to tell tokens apart: 1 to 255 characters. */
  readonly name: string;
  /** What the token may do: at least one registered scope or wildcard. */
  readonly scopes: readonly string[];
  /** When it stops working. @default never, unless `requireExpiry` or `maxTtl` is set */
  readonly expiresAt?: Date | null | undefined;
}

/** How a token is replaced. */
export interface RotateApiToken {
  /** How long the old token still works, in seconds, 0 to 2,592,000; never longer than its own expiry. @default 0 */
  readonly graceSeconds?: number | undefined;
  /** When the new token stops working. @default as long from now as the old one was made to live */
  readonly expiresAt?: Date | null | undefined;
}

/** Makes raw tokens: the only place where one exists in plain text. */
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

  async create(userId: string, request: CreateApiToken, context: CallContext): Promise<IssuedApiToken> {
    const now = this.clock.now();
    const name = parseName(request.name);
    const scopes = this.scopes.parseGrant(request.scopes);
    const expiresAt = parseExpiry(request.expiresAt, now, this.config.apiTokens);
    this.assertMayGrant(context, scopes);
    const minted = this.mint({ userId, name, scopes, expiresAt, createdAt: now });

    const token = await traced(
      apiTokenChannels.create,
      { userId, tokenId: minted.row.id },
      () =>
        this.database.transaction(async (manager) => {
          await this.assertStillLive(manager, context.principal?.tokenId);
          const row = await this.tokens.insert(manager, minted.row);
          const details = auditDetailsOf(context);
          await this.audit.append(manager, {
            ...details,
            action: 'api.token_create',
            targetId: row.id,
            targetType: 'api_token',
            metadata: { ...details.metadata, userId, name, scopes, expiresAt },
          });
          return toApiToken(row);
        }),
      (created) => created,
    );
    return { rawToken: minted.rawToken, token };
  }

  /** @param userId when given, a token of anybody else counts as absent */
  async rotate(
    tokenId: string,
    request: RotateApiToken,
    context: CallContext,
    userId?: string,
  ): Promise<IssuedApiToken> {
    const graceSeconds = parseGrace(request.graceSeconds);
    const { rawToken, token } = await traced(
      apiTokenChannels.rotate,
      traceOf(tokenId),
      () =>
        this.database.transaction((manager) => this.replace(manager, tokenId, graceSeconds, request, context, userId)),
      (issued) => issued.token,
    );
    return { rawToken, token };
  }

  private async replace(
    manager: EntityManager,
    tokenId: string,
    graceSeconds: number,
    request: RotateApiToken,
    context: CallContext,
    userId: string | undefined,
  ): Promise<IssuedApiToken> {
    const old = await this.hold(manager, tokenId, userId);
    // Read after the row is held: a rotation that lost the race must see what the winner did.
    const now = this.clock.now();
    const current = assertRotatable(old, now);
    this.assertMayGrant(context, current.scopes);

    const expiresAt = parseExpiry(this.successorExpiry(current, request, now), now, this.config.apiTokens);
    const { user_id, name, scopes } = current;
    const minted = this.mint({ userId: user_id, name, scopes, expiresAt, createdAt: now });
    const row = await this.tokens.insert(manager, minted.row);
    await this.tokens.markReplaced(manager, current.id, {
      replacedBy: row.id,
      revokedAt: graceSeconds === 0 ? now : null,
      expiresAt: graceSeconds === 0 ? current.expires_at : earlier(current.expires_at, later(now, graceSeconds)),
    });
    const details = auditDetailsOf(context);
    await this.audit.append(manager, {
      ...details,
      action: 'api.token_rotate',
      targetId: current.id,
      targetType: 'api_token',
      metadata: { ...details.metadata, userId: user_id, replacedBy: row.id, graceSeconds },
    });
    return { rawToken: minted.rawToken, token: toApiToken(row) };
  }

  /**
   * A token that is revoked while it makes another one must leave none behind: a `revokeAll` under way waits for this
   * transaction, or has come first.
   */
  private async assertStillLive(manager: EntityManager, actingTokenId: string | undefined): Promise<void> {
    if (!isUuid(actingTokenId)) return;
    await this.tokens.holdOffRevokeAll(manager, actingTokenId);
    if (await this.tokens.isRevoked(manager, actingTokenId)) {
      throw new SigraError('token_revoked', 'The token that makes this one has been revoked.');
    }
  }

  private async hold(manager: EntityManager, tokenId: string, userId?: string): Promise<ApiTokenRow | undefined> {
    if (!isUuid(tokenId)) return undefined;
    await this.tokens.holdOffRevokeAll(manager, tokenId);
    return this.tokens.lock(manager, tokenId, userId);
  }

  private mint(token: Pick<NewApiTokenRow, 'userId' | 'name' | 'scopes' | 'expiresAt' | 'createdAt'>): {
    rawToken: string;
    row: NewApiTokenRow;
  } {
    const { prefix } = this.config.apiTokens;
    const rawToken = mintRawToken(prefix);
    const tokenHash = hashSecret(rawToken);
    return { rawToken, row: { ...token, id: uuidv7(), prefix, hint: hintOf(rawToken, prefix), tokenHash } };
  }

  /** A lifetime is a setting of the token and survives rotation; a token without one is bound by today's limit. */
  private successorExpiry(old: ApiTokenRow, request: RotateApiToken, now: Date): Date | null | undefined {
    if (request.expiresAt !== undefined) return request.expiresAt;
    const { maxTtl } = this.config.apiTokens;
    const ttl = old.expires_at && (old.expires_at.getTime() - old.created_at.getTime()) / 1000;
    if (ttl === null) return maxTtl === undefined ? null : later(now, maxTtl);
    return later(now, maxTtl === undefined ? ttl : Math.min(ttl, maxTtl));
  }

  /** Not by creating a token, and not by rotating a stronger one. */
  private assertMayGrant({ principal }: CallContext, scopes: readonly string[]): void {
    assertMayGrant(principal, scopes, this.config.apiTokens.writeImpliesRead);
  }
}

function assertRotatable(token: ApiTokenRow | undefined, now: Date): ApiTokenRow {
  if (!token) throw new SigraError('not_found', 'There is no such token.');
  if (token.revoked_at) throw new SigraError('token_revoked', 'The token has been revoked.');
  if (token.expires_at && hasExpired(token.expires_at, now)) {
    throw new SigraError('token_expired', 'The token has expired.');
  }
  // One successor each: of many rotations at once a single one wins.
  if (token.replaced_by) throw new SigraError('token_revoked', 'The token has been rotated already.');
  return token;
}

function later(date: Date, seconds: number): Date {
  return new Date(date.getTime() + seconds * 1000);
}

function earlier(a: Date | null, b: Date): Date {
  return a && a < b ? a : b;
}
