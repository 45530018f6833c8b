import {
  Body,
  Controller,
  Delete,
  Get,
  Header,
  HttpCode,
  Param,
  Post,
  Query,
  Req,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { CurrentCaller, CurrentPrincipal, RequireScopes } from '../auth/auth.decorators.js';
import { SessionAuthGuard, SigraAuthGuard } from '../auth/auth.guards.js';
import { DpopService } from '../auth/dpop.service.js';
import type { HttpRequest } from '../auth/http-exchange.js';
import { NeverCached } from '../auth/response-cache.js';
import type { Caller } from '../common/caller.js';
import type { Principal } from '../common/principal.js';
import { SigraConfigError } from '../config/sigra-config-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { ControllerPaths } from '../config/sigra-options.js';
import { SigraJwtService } from '../jwt/sigra-jwt.service.js';
import type { RefreshFamily } from '../persistence/refresh-family.repository.js';
import { CollectionPathGuard } from './collection-path.guard.js';
import { RefusalInterceptor } from './refusal.interceptor.js';
import { parseBody, parseNumber } from './request-body.js';
import { type TokenResponse, tokenResponse } from './token-response.js';

/** A refresh family as its owner sees it over HTTP. */
export interface FamilyView extends Pick<
  RefreshFamily,
  'id' | 'scopes' | 'ipAddress' | 'userAgent' | 'createdAt' | 'refreshedAt'
> {
  /** The family ends at this time, however often it is refreshed. */
  readonly expiresAt: Date;
  /** Whether the request has an access token of this family. */
  readonly current: boolean;
}

function viewOf(family: RefreshFamily, { familyId }: Principal): FamilyView {
  const { id, scopes, ipAddress, userAgent, createdAt, refreshedAt, absoluteExpiresAt: expiresAt } = family;
  return { id, scopes, ipAddress, userAgent, createdAt, refreshedAt, expiresAt, current: id === familyId };
}

/**
 * The caller's own sign-ins: issues an access token and a refresh token to the user of a browser session, and lists and ends
 * refresh families. The principal alone decides whose families they are.
 */
@Controller()
@UseInterceptors(RefusalInterceptor)
export class JwtController {
  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly jwt: SigraJwtService,
    private readonly dpop: DpopService,
  ) {
    assertJwtEnabled(config, 'jwt');
  }

  @Post()
  @UseGuards(SessionAuthGuard)
  @HttpCode(200)
  @NeverCached()
  @Header('Pragma', 'no-cache')
  async issue(
    @CurrentPrincipal() principal: Principal,
    @CurrentCaller() caller: Caller,
    @Body() body: unknown,
    @Req() request: HttpRequest,
  ): Promise<TokenResponse> {
    const { scopes } = parseBody(body, ['scopes']) as { scopes: readonly string[] };
    const binding = { dpopThumbprint: await this.dpop.thumbprintOf(request) };
    return tokenResponse(await this.jwt.generateTokens(principal.user, scopes, caller, binding));
  }

  @Get()
  @UseGuards(SigraAuthGuard)
  @RequireScopes('sessions:read')
  @NeverCached()
  async list(
    @CurrentPrincipal() principal: Principal,
    @CurrentCaller() caller: Caller,
    @Query('limit') limit?: unknown,
    @Query('cursor') cursor?: unknown,
  ): Promise<{ families: FamilyView[]; nextCursor: string | null }> {
    const page = await this.jwt.listFamilies(
      principal.userId,
      {
        limit: parseNumber(limit),
        cursor: cursor as string | undefined,
      },
      caller,
    );
    return { families: page.families.map((family) => viewOf(family, principal)), nextCursor: page.nextCursor };
  }

  @Delete()
  @UseGuards(SigraAuthGuard, CollectionPathGuard)
  @RequireScopes('sessions:write')
  async revokeAll(
    @CurrentPrincipal() principal: Principal,
    @CurrentCaller() caller: Caller,
  ): Promise<{ revoked: number }> {
    return { revoked: await this.jwt.revokeAllRefresh(principal.userId, caller) };
  }

  @Delete(':id')
  @UseGuards(SigraAuthGuard)
  @HttpCode(204)
  @RequireScopes('sessions:write')
  async revoke(
    @CurrentPrincipal() principal: Principal,
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
  ): Promise<void> {
    await this.jwt.revokeFamily(principal.userId, id, caller);
  }
}

/**
 * For the controllers that can only refuse without JWTs: mounting one is then a mistake.
 *
 * @throws SigraConfigError at boot
 */
export function assertJwtEnabled(config: SigraConfig, controller: keyof ControllerPaths): void {
  if (!config.jwt) throw new SigraConfigError(`controllers.${controller}`, 'needs JWTs; set jwt.enabled to true');
}
