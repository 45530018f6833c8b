import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  Post,
  Query,
  Req,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { CurrentCaller, CurrentPrincipal, RequireScopes } from '../auth/auth.decorators.js';
import { SigraAuthGuard } from '../auth/auth.guards.js';
import { NeverCached } from '../auth/response-cache.js';
import type { Caller } from '../common/caller.js';
import type { Principal } from '../common/principal.js';
import { refuse } from '../common/sigra-error.js';
import { SigraConfigError } from '../config/sigra-config-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { HostRequest } from '../config/sigra-options.js';
import type { ApiToken, ApiTokenState, LookedUpApiToken } from '../persistence/tables.js';
import { ADMIN_SCOPE, AdministratorGate } from '../tokens/administrator.gate.js';
import { ApiTokenAdminService, type SearchApiTokens } from '../tokens/api-token-admin.service.js';
import { FILTER_PROPERTIES } from '../tokens/api-token.filter.js';
import type { RevokedApiTokens } from '../tokens/matching-token.revoker.js';
import { type ApiTokenView, viewOf } from './api-token.controller.js';
import { RefusalInterceptor } from './refusal.interceptor.js';
import { parseBody, parseNumber } from './request-body.js';
import { readFilter } from './token-filter.js';

/** An API token as an administrator sees it over HTTP. */
export interface AdminApiTokenView
  extends ApiTokenView, Pick<ApiToken, 'ownerType' | 'ownerId' | 'revokedAt' | 'revokeReason'> {
  readonly state: ApiTokenState;
}

function adminViewOf({ token, state }: LookedUpApiToken): AdminApiTokenView {
  const { ownerType, ownerId, revokedAt, revokeReason } = token;
  return { ...viewOf(token), ownerType, ownerId, state, revokedAt, revokeReason };
}

/** The API tokens of all owners, for administrators: see `AdminOptions`. */
@Controller()
@UseGuards(SigraAuthGuard)
@UseInterceptors(RefusalInterceptor)
@RequireScopes(ADMIN_SCOPE)
export class ApiTokenAdminController {
  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly tokens: ApiTokenAdminService,
    private readonly gate: AdministratorGate,
  ) {
    if (config.admin) return;
    // Every session with `*` has the scope, so without an answer every user would be an administrator.
    throw new SigraConfigError('controllers.admin', 'needs admin.canAdminister, which names the administrators');
  }

  @Get()
  @NeverCached()
  async search(
    @CurrentCaller() caller: Caller,
    @Query() query: unknown,
  ): Promise<{ tokens: AdminApiTokenView[]; nextCursor: string | null }> {
    const { limit, cursor, order, ...filter } = parseBody(query, ['limit', 'cursor', 'order', ...FILTER_PROPERTIES]);
    const page = { limit: parseNumber(limit), cursor, order } as Pick<SearchApiTokens, 'limit' | 'cursor' | 'order'>;
    const { tokens, nextCursor } = await this.tokens.search({ ...readFilter(filter), ...page }, caller);
    return { tokens: tokens.map(adminViewOf), nextCursor };
  }

  @Get(':id')
  @NeverCached()
  async find(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<{ token: AdminApiTokenView }> {
    return { token: adminViewOf(await this.tokens.find(id, caller)) };
  }

  /** The raw token stands in the body: access logs have the URL. */
  @Post('lookup')
  @HttpCode(200)
  @NeverCached()
  async lookup(@CurrentCaller() caller: Caller, @Body() body: unknown): Promise<{ token: AdminApiTokenView }> {
    const { rawToken } = parseBody(body, ['rawToken']) as { rawToken: string };
    return { token: adminViewOf(await this.tokens.lookup(rawToken, caller)) };
  }

  @Delete(':id')
  @HttpCode(204)
  async revoke(
    @CurrentPrincipal() principal: Principal,
    @CurrentCaller() caller: Caller,
    @Req() request: HostRequest,
    @Param('id') id: string,
  ): Promise<void> {
    await this.confirm(principal, request, caller);
    await this.tokens.revoke(id, caller);
  }

  /** A dry run, or a revocation that names the count of the dry run. */
  @Post('revoke')
  @HttpCode(200)
  @NeverCached()
  async revokeMatching(
    @CurrentPrincipal() principal: Principal,
    @CurrentCaller() caller: Caller,
    @Req() request: HostRequest,
    @Body() body: unknown,
  ): Promise<{ count: number; digest: string; sample: AdminApiTokenView[] } | RevokedApiTokens> {
    const { filter: given, dryRun, digest: expected } = parseBody(body, ['filter', 'dryRun', 'digest']);
    const filter = readFilter(parseBody(given, FILTER_PROPERTIES));
    if (dryRun === true && expected === undefined) {
      const { count, digest, sample } = await this.tokens.previewMatching(filter, caller);
      return { count, digest, sample: sample.map(adminViewOf) };
    }
    // Neither of them must be a mistake that revokes.
    if ((dryRun !== undefined && dryRun !== false) || typeof expected !== 'string') {
      throw refuse('invalid_request', 'Send either dryRun: true, or digest, the digest of the dry run.');
    }
    await this.confirm(principal, request, caller);
    return this.tokens.revokeMatching(filter, expected, caller);
  }

  /** Only an administrator is asked to authenticate again. */
  private async confirm(principal: Principal, request: HostRequest, caller: Caller): Promise<void> {
    await this.gate.admit(caller);
    await this.gate.stepUp(principal, request, caller);
  }
}
