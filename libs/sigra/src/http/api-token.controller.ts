import {
  Body,
  ConflictException,
  Controller,
  Delete,
  Get,
  Header,
  HttpCode,
  Param,
  Post,
  Query,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import type { CallContext } from '../audit/audit-event.js';
import { CurrentPrincipal } from '../auth/decorators/current-principal.decorator.js';
import { RequireScopes } from '../auth/decorators/require-scopes.decorator.js';
import { SigraAuthGuard } from '../auth/guards/sigra-auth.guard.js';
import type { Principal } from '../common/principal.js';
import { SigraError } from '../common/sigra-error.js';
import type { CreateApiToken } from '../tokens/api-token.issuer.js';
import { ApiTokenService } from '../tokens/api-token.service.js';
import { Caller } from './call-context.decorator.js';
import { CollectionPathGuard } from './collection-path.guard.js';
import { RefusalInterceptor } from './refusal.interceptor.js';
import { parseBody, parseInstant, parseNumber } from './request-body.js';
import { type ApiTokenView, viewOf } from './token-view.js';

/**
 * The caller's own API tokens. Whose they are is told by the principal alone; a token that manages tokens needs
 * `api_tokens:read` or `api_tokens:write`, and grants nothing that it does not hold.
 */
@Controller()
@UseGuards(SigraAuthGuard)
@UseInterceptors(RefusalInterceptor)
export class ApiTokenController {
  constructor(private readonly tokens: ApiTokenService) {}

  @Get()
  @RequireScopes('api_tokens:read')
  @Header('Cache-Control', 'no-store')
  async list(
    @CurrentPrincipal() principal: Principal,
    @Query('limit') limit?: unknown,
    @Query('cursor') cursor?: unknown,
  ): Promise<{ tokens: ApiTokenView[]; nextCursor: string | null }> {
    const page = await this.tokens.listActive(principal.userId, {
      limit: parseNumber(limit),
      cursor: cursor as string | undefined,
    });
    return { tokens: page.tokens.map(viewOf), nextCursor: page.nextCursor };
  }

  @Post()
  @RequireScopes('api_tokens:write')
  @Header('Cache-Control', 'no-store')
  async create(
    @CurrentPrincipal() principal: Principal,
    @Caller() caller: CallContext,
    @Body() body: unknown,
  ): Promise<{ rawToken: string; token: ApiTokenView }> {
    const { name, scopes, expiresAt } = parseBody(body, ['name', 'scopes', 'expiresAt']);
    // The service checks what it is given; only the time has another form on the wire.
    const request = { name, scopes, expiresAt: parseInstant(expiresAt) } as CreateApiToken;
    const { rawToken, token } = await this.tokens.create(principal.userId, request, caller);
    return { rawToken, token: viewOf(token) };
  }

  @Delete()
  @UseGuards(CollectionPathGuard)
  @RequireScopes('api_tokens:write')
  async revokeAll(
    @CurrentPrincipal() principal: Principal,
    @Caller() caller: CallContext,
  ): Promise<{ revoked: number }> {
    return { revoked: await this.tokens.revokeAll(principal.userId, caller) };
  }

  @Delete(':id')
  @HttpCode(204)
  @RequireScopes('api_tokens:write')
  async revoke(
    @CurrentPrincipal() principal: Principal,
    @Caller() caller: CallContext,
    @Param('id') id: string,
  ): Promise<void> {
    await this.tokens.revokeForUser(principal.userId, id, caller);
  }

  @Post(':id/rotate')
  @RequireScopes('api_tokens:write')
  @Header('Cache-Control', 'no-store')
  async rotate(
    @CurrentPrincipal() principal: Principal,
    @Caller() caller: CallContext,
    @Param('id') id: string,
    @Body() body: unknown,
  ): Promise<{ rawToken: string; token: ApiTokenView }> {
    const { graceSeconds } = parseBody(body, ['graceSeconds']) as { graceSeconds?: number };
    try {
      const { rawToken, token } = await this.tokens.rotateForUser(principal.userId, id, { graceSeconds }, caller);
      return { rawToken, token: viewOf(token) };
    } catch (error) {
      throw asConflict(error);
    }
  }
}

/** The token in the path is dead, not the one in the header: 401 would send the caller after the wrong one. */
function asConflict(error: unknown): unknown {
  if (!(error instanceof SigraError) || (error.code !== 'token_revoked' && error.code !== 'token_expired'))
    return error;
  return new ConflictException({ statusCode: 409, error: error.code, message: error.message });
}
