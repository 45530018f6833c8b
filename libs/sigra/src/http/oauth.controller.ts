import { Body, Controller, Header, Headers, HttpCode, Post, UseFilters, UseGuards } from '@nestjs/common';
import type { CallContext } from '../audit/audit-event.js';
import { AllowAnonymous } from '../auth/decorators/allow-anonymous.decorator.js';
import { RequireScopes } from '../auth/decorators/require-scopes.decorator.js';
import { BearerAuthGuard } from '../auth/guards/bearer-auth.guard.js';
import { SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { type IntrospectedToken, JwtIntrospector } from '../jwt/introspector.js';
import { SigraJwtService } from '../jwt/sigra-jwt.service.js';
import { ApiTokenService } from '../tokens/api-token.service.js';
import { ApiTokenVerifier } from '../tokens/api-token.verifier.js';
import { Caller } from './call-context.decorator.js';
import { assertJwtEnabled } from './jwt-enabled.js';
import { OAuthError } from './oauth-error.js';
import { OAuthExceptionFilter } from './oauth-exception.filter.js';
import { parseOAuthParameters, requireParameter } from './oauth-request.js';
import { type TokenResponse, tokenResponse } from './token-response.js';

/** The token endpoint (RFC 6749), revocation (RFC 7009) and introspection (RFC 7662). */
@Controller()
@UseFilters(OAuthExceptionFilter)
export class OAuthController {
  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly jwt: SigraJwtService,
    private readonly introspector: JwtIntrospector,
    private readonly apiTokens: ApiTokenService,
    private readonly apiTokenVerifier: ApiTokenVerifier,
  ) {
    assertJwtEnabled(config, 'oauth');
  }

  /** The refresh grant of RFC 6749 section 6, for public clients. */
  @Post('token')
  @AllowAnonymous()
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @Header('Pragma', 'no-cache')
  async token(
    @Body() body: unknown,
    @Caller() caller: CallContext,
    @Headers('authorization') authorization?: string,
  ): Promise<TokenResponse> {
    assertPublicClient(authorization);
    const parameters = parseOAuthParameters(body);
    if (requireParameter(parameters, 'grant_type') !== 'refresh_token') {
      throw new OAuthError(400, 'unsupported_grant_type', 'The only grant is refresh_token.');
    }
    const refreshToken = requireParameter(parameters, 'refresh_token');
    const scopes = parameters.scope?.split(' ');
    return tokenResponse(await this.jwt.refresh(refreshToken, { scopes }, caller));
  }

  /** RFC 7009: whoever has a token may end it. What is no token of ours is revoked already (section 2.2). */
  @Post('revoke')
  @AllowAnonymous()
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  async revoke(
    @Body() body: unknown,
    @Caller() caller: CallContext,
    @Headers('authorization') authorization?: string,
  ): Promise<Record<string, never>> {
    assertPublicClient(authorization);
    const token = requireParameter(parseOAuthParameters(body), 'token');
    if (token.startsWith('eyJ')) {
      throw new OAuthError(400, 'unsupported_token_type', 'Revoke the refresh token: its access tokens follow.');
    }
    await (this.apiTokenVerifier.claims(token)
      ? this.revokeApiToken(token, caller)
      : this.revokeRefresh(token, caller));
    return {};
  }

  /** RFC 7662, for resource servers: authenticated by a credential with the scope `oauth:introspect`. */
  @Post('introspect')
  @UseGuards(BearerAuthGuard)
  @RequireScopes('oauth:introspect')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  async introspect(@Body() body: unknown): Promise<IntrospectedToken> {
    const token = requireParameter(parseOAuthParameters(body), 'token');
    const found = this.apiTokenVerifier.claims(token)
      ? await this.introspectApiToken(token)
      : await this.introspector.introspect(token);
    return found ? { active: true, ...found } : { active: false };
  }

  private async revokeRefresh(token: string, caller: CallContext): Promise<void> {
    await this.jwt.revokeRefresh(token, caller).catch(unlessInactive);
  }

  private async revokeApiToken(rawToken: string, caller: CallContext): Promise<void> {
    const token = await this.apiTokens.verify(rawToken, caller).catch(unlessInactive);
    if (token) await this.apiTokens.revoke(token.id, caller);
  }

  private async introspectApiToken(rawToken: string): Promise<IntrospectedToken | undefined> {
    const token = await this.apiTokens.verify(rawToken).catch(unlessInactive);
    return (
      token && {
        sub: token.userId,
        jti: token.id,
        scope: token.scopes.join(' '),
        iat: Math.floor(token.createdAt.getTime() / 1000),
        ...(token.expiresAt && { exp: Math.floor(token.expiresAt.getTime() / 1000) }),
        token_type: 'Bearer',
      }
    );
  }
}

/** There are no clients with credentials here: whoever brings some expects a check that would not happen. */
function assertPublicClient(authorization: string | undefined): void {
  if (authorization !== undefined) {
    throw new OAuthError(401, 'invalid_client', 'Clients do not authenticate at this endpoint.');
  }
}

function unlessInactive(error: unknown): undefined {
  if (error instanceof SigraError && error.code !== 'unavailable' && error.code !== 'refresh_aborted') return undefined;
  throw error;
}
