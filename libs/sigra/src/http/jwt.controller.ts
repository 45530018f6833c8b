import { Body, Controller, Header, HttpCode, Post, UseGuards, UseInterceptors } from '@nestjs/common';
import type { CallContext } from '../audit/audit-event.js';
import { CurrentPrincipal } from '../auth/decorators/current-principal.decorator.js';
import { SessionAuthGuard } from '../auth/guards/session-auth.guard.js';
import type { Principal } from '../common/principal.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { SigraJwtService } from '../jwt/sigra-jwt.service.js';
import { Caller } from './call-context.decorator.js';
import { assertJwtEnabled } from './jwt-enabled.js';
import { RefusalInterceptor } from './refusal.interceptor.js';
import { parseBody } from './request-body.js';
import { type TokenResponse, tokenResponse } from './token-response.js';

/** Gives the user of a browser session a pair of JWT and refresh token. */
@Controller()
@UseGuards(SessionAuthGuard)
@UseInterceptors(RefusalInterceptor)
export class JwtController {
  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly jwt: SigraJwtService,
  ) {
    assertJwtEnabled(config, 'jwt');
  }

  @Post()
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @Header('Pragma', 'no-cache')
  async issue(
    @CurrentPrincipal() principal: Principal,
    @Caller() caller: CallContext,
    @Body() body: unknown,
  ): Promise<TokenResponse> {
    const { scopes } = parseBody(body, ['scopes']) as { scopes: readonly string[] };
    return tokenResponse(await this.jwt.generateTokens(principal.user, scopes, caller));
  }
}
