import {
  Body,
  ConflictException,
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  Param,
  Patch,
  Post,
  Query,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { CurrentCaller, RepeatsRotation, RequireScopes } from '../auth/auth.decorators.js';
import { SigraAuthGuard } from '../auth/auth.guards.js';
import { IDEMPOTENCY_KEY } from '../auth/http-exchange.js';
import { NeverCached } from '../auth/response-cache.js';
import type { Caller } from '../common/caller.js';
import type { Owner } from '../common/principal.js';
import { SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { CredentialKind } from '../persistence/lineage.repository.js';
import type { ListOrder } from '../common/cursor.js';
import type { OwnerRef } from '../persistence/owner-directories.js';
import type { ApiToken } from '../persistence/tables.js';
import type { ScopeDetails } from '../scopes/scope-registry.js';
import type { CreateApiToken } from '../tokens/api-token.issuer.js';
import type { RotateApiToken } from '../tokens/api-token.rotator.js';
import type { UpdateApiToken } from '../tokens/api-token.updater.js';
import { ApiTokenService } from '../tokens/api-token.service.js';
import { TOKEN_PROPERTIES } from '../tokens/token-properties.js';
import { OwnerAccessGuard, TokenOwner } from './owner-access.guard.js';
import { RefusalInterceptor } from './refusal.interceptor.js';
import { CollectionPathGuard } from './collection-path.guard.js';
import { parseBody, parseInstant, parseNumber } from './request-body.js';

/** The members of a body that changes a token. */
const CHANGEABLE = [...TOKEN_PROPERTIES, 'expiresAt'];

/** The columns that the owner of a token sees over HTTP. The others are internal. */
const VISIBLE = [
  'id',
  'originId',
  ...TOKEN_PROPERTIES,
  'kind',
  'prefix',
  'hint',
  'expiresAt',
  'lastUsedAt',
  'lastUsedIp',
  'replacedBy',
  'createdAt',
] as const satisfies readonly (keyof ApiToken)[];

/** An API token as its owner sees it over HTTP. */
export type ApiTokenView = Pick<ApiToken, (typeof VISIBLE)[number]> & {
  /** The credential that made the token. Null when a person or the application made it. */
  readonly madeBy: { readonly type: CredentialKind; readonly id: string } | null;
  /** Who made the token, if it was another owner of credentials: the user who made a token of an organization. */
  readonly creator?: Owner;
};

/** What is visible of a token. */
export function viewOf(token: ApiToken): ApiTokenView {
  const visible = Object.fromEntries(VISIBLE.map((property) => [property, token[property]]));
  const { creatorType: type, creatorId: id } = token;
  const creator = type !== null && id !== null && { creator: { type, id } };
  return { ...(visible as Omit<ApiTokenView, 'madeBy' | 'creator'>), madeBy: makerOf(token), ...creator };
}

function makerOf({ madeByTokenId, madeByFamilyId }: ApiToken): ApiTokenView['madeBy'] {
  if (madeByTokenId !== null) return { type: 'api_token', id: madeByTokenId };
  return madeByFamilyId === null ? null : { type: 'refresh_family', id: madeByFamilyId };
}

/**
 * The caller's own API tokens. The principal alone decides whose tokens they are, except in `OwnerTokenController`. A token that
 * manages tokens needs `api_tokens:read` or `api_tokens:write`, and grants only scopes that it holds. One that is limited to
 * resources sees and manages only tokens within its limit.
 */
@Controller()
@UseGuards(SigraAuthGuard)
@UseInterceptors(RefusalInterceptor)
export class ApiTokenController {
  constructor(private readonly tokens: ApiTokenService) {}

  @Get()
  @RequireScopes('api_tokens:read', { resource: 'filtered' })
  @NeverCached()
  async list(
    @TokenOwner() owner: OwnerRef,
    @CurrentCaller() caller: Caller,
    @Query('limit') limit?: unknown,
    @Query('cursor') cursor?: unknown,
    @Query('order') order?: unknown,
  ): Promise<{ tokens: ApiTokenView[]; nextCursor: string | null }> {
    const page = await this.tokens.listActive(
      owner,
      {
        limit: parseNumber(limit),
        cursor: cursor as string | undefined,
        order: order as ListOrder | undefined,
      },
      caller,
    );
    return { tokens: page.tokens.map(viewOf), nextCursor: page.nextCursor };
  }

  @Post()
  @RequireScopes('api_tokens:write', { resource: 'filtered' })
  @NeverCached()
  async create(
    @TokenOwner() owner: OwnerRef,
    @CurrentCaller() caller: Caller,
    @Body() body: unknown,
    @Headers(IDEMPOTENCY_KEY) idempotencyKey?: string,
  ): Promise<{ rawToken: string; token: ApiTokenView }> {
    // The service validates its input; only the time has another form in JSON.
    const { expiresAt, ...properties } = parseBody(body, ['kind', ...CHANGEABLE]);
    const request = { ...properties, expiresAt: parseInstant(expiresAt), idempotencyKey } as unknown as CreateApiToken;
    const { rawToken, token } = await this.tokens.create(owner, request, caller);
    return { rawToken, token: viewOf(token) };
  }

  @Delete()
  @UseGuards(CollectionPathGuard)
  @RequireScopes('api_tokens:write', { resource: 'filtered' })
  async revokeAll(@TokenOwner() owner: OwnerRef, @CurrentCaller() caller: Caller): Promise<{ revoked: number }> {
    return { revoked: await this.tokens.revokeAll(owner, caller) };
  }

  @Delete(':id')
  @HttpCode(204)
  @RequireScopes('api_tokens:write', { resource: 'filtered' })
  async revoke(@TokenOwner() owner: OwnerRef, @CurrentCaller() caller: Caller, @Param('id') id: string): Promise<void> {
    await this.tokens.revokeForUser(owner, id, caller);
  }

  @Patch(':id')
  @RequireScopes('api_tokens:write', { resource: 'filtered' })
  @NeverCached()
  async update(
    @TokenOwner() owner: OwnerRef,
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Body() body: unknown,
  ): Promise<{ token: ApiTokenView }> {
    const { expiresAt, ...properties } = parseBody(body, CHANGEABLE);
    const request = { ...properties, expiresAt: parseInstant(expiresAt) } as UpdateApiToken;
    try {
      return { token: viewOf(await this.tokens.updateForUser(owner, id, request, caller)) };
    } catch (error) {
      throw asConflict(error);
    }
  }

  @Post(':id/rotate')
  @RepeatsRotation()
  @RequireScopes('api_tokens:write', { resource: 'filtered' })
  @NeverCached()
  async rotate(
    @TokenOwner() owner: OwnerRef,
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Body() body: unknown,
    @Headers(IDEMPOTENCY_KEY) idempotencyKey?: string,
  ): Promise<{ rawToken: string; token: ApiTokenView }> {
    const { graceSeconds, expiresAt } = parseBody(body, ['graceSeconds', 'expiresAt']);
    const request = { graceSeconds, expiresAt: parseInstant(expiresAt), idempotencyKey } as RotateApiToken;
    try {
      const { rawToken, token } = await this.tokens.rotateForUser(owner, id, request, caller);
      return { rawToken, token: viewOf(token) };
    } catch (error) {
      throw asConflict(error);
    }
  }
}

/**
 * The API tokens of another owner, such as an organization, whom `canManage` lets the caller manage. The rules are those for the
 * caller's own tokens; the path names the owner.
 */
@Controller()
@UseGuards(OwnerAccessGuard)
export class OwnerTokenController extends ApiTokenController {}

/** The token in the path has ended, not the one in the header: 401 would make the caller replace the wrong one. */
function asConflict(error: unknown): unknown {
  if (!(error instanceof SigraError) || (error.code !== 'token_revoked' && error.code !== 'token_expired'))
    return error;
  return new ConflictException({ statusCode: 409, error: error.code, message: error.message });
}

/** A kind of tokens, as a form that creates them needs it. */
export interface TokenKindView {
  /** Null where the application configures no kinds. */
  readonly name: string | null;
  readonly prefix: string;
  /** The most that a token of the kind can have. Null for all scopes. */
  readonly scopes: readonly string[] | null;
  /** The types of owners that can have a token of the kind. Null for all types. */
  readonly ownerTypes: readonly string[] | null;
  readonly requireExpiry: boolean;
  /** The longest lifetime, in seconds. Null for no limit. */
  readonly maxTtl: number | null;
}

/** What an API token can be given. */
export interface ScopeListView {
  readonly scopes: readonly string[];
  readonly catalogue: readonly ScopeDetails[];
  /** At least one. */
  readonly kinds: readonly TokenKindView[];
}

/** The scopes that an API token can be given, for every authenticated caller. */
@Controller()
@UseGuards(SigraAuthGuard)
export class ScopeController {
  constructor(
    private readonly tokens: ApiTokenService,
    @InjectSigraConfig() private readonly config: SigraConfig,
  ) {}

  @Get()
  @NeverCached()
  list(): ScopeListView {
    const kinds = this.config.apiTokens.kinds.all.map(
      ({ name, prefix, scopes = null, ownerTypes = null, requireExpiry, maxTtl = null }) => ({
        name,
        prefix,
        scopes,
        ownerTypes,
        requireExpiry,
        maxTtl,
      }),
    );
    return { scopes: this.tokens.listScopes(), catalogue: this.tokens.scopeCatalogue(), kinds };
  }
}
