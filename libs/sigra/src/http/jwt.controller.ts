import { Body, Controller, Header, HttpCode, Post, UseGuards, UseInterceptors } from '@nestjs/common';
import { CurrentCaller, CurrentPrincipal } from '../auth/auth.decorators.js';
import { SessionAuthGuard } from '../auth/auth.guards.js';
import type { Caller } from '../common/caller.js';
import type { Principal } from '../common/principal.js';
import { SigraConfigError } from '../config/sigra-config-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { ControllerPaths } from '../config/sigra-options.js';
import { SigraJwtService } from '../jwt/sigra-jwt.service.js';
import { RefusalInterceptor } from './refusal.interceptor.js';
import { parseBody } from './request-body.js';
import { type TokenResponse, tokenResponse } from './token-response.js';

/** Issues an access token and a refresh token to the user of a browser session. */
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
    @CurrentCaller() caller: Caller,
    @Body() body: unknown,
  ): Promise<TokenResponse> {
    const { scopes } = parseBody(body, ['scopes']) as { scopes: readonly string[] };
    return tokenResponse(await this.jwt.generateTokens(principal.user, scopes, caller));
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
