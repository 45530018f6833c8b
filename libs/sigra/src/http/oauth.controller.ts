import { Body, Controller, Header, Headers, HttpCode, Post, UseFilters, UseGuards } from '@nestjs/common';
import { AllowAnonymous, CurrentCaller, RequireScopes } from '../auth/auth.decorators.js';
import { BearerAuthGuard } from '../auth/auth.guards.js';
import type { Caller } from '../common/caller.js';
import { unlessOutage } from '../common/sigra-error.js';
import { isRefreshToken, looksLikeJwt } from '../common/token-format.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { type IntrospectedToken, JwtIntrospector } from '../jwt/jwt.introspector.js';
import { SigraJwtService } from '../jwt/sigra-jwt.service.js';
import { ApiTokenRevoker } from '../tokens/api-token.revoker.js';
import { ApiTokenService } from '../tokens/api-token.service.js';
import { ApiTokenVerifier } from '../tokens/api-token.verifier.js';
import { assertJwtEnabled } from './jwt.controller.js';
import { invalidClient, OAuthError } from './oauth-error.js';
import { OAuthExceptionFilter } from './oauth-exception.filter.js';
import { parseOAuthParameters, parseScope, requireParameter } from './oauth-request.js';
import { type TokenResponse, tokenResponse } from './token-response.js';

/** The token endpoint (RFC 6749), revocation (RFC 7009) and introspection (RFC 7662). */
@Controller()
@UseFilters(OAuthExceptionFilter)
export class OAuthController {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly jwt: SigraJwtService,
    private readonly introspector: JwtIntrospector,
    private readonly apiTokens: ApiTokenService,
    private readonly apiTokenVerifier: ApiTokenVerifier,
    private readonly apiTokenRevoker: ApiTokenRevoker,
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
    @CurrentCaller() caller: Caller,
    @Headers('authorization') authorization?: string,
  ): Promise<TokenResponse> {
    this.assertPublicClient(authorization);
    const parameters = parseOAuthParameters(body);
    if (requireParameter(parameters, 'grant_type') !== 'refresh_token') {
      throw new OAuthError(400, 'unsupported_grant_type', 'The only grant is refresh_token.');
    }
    const refreshToken = requireParameter(parameters, 'refresh_token');
    const scopes = parseScope(parameters.scope);
    return tokenResponse(await this.jwt.refresh(refreshToken, { scopes }, caller));
  }

  /** RFC 7009: anyone who holds a token can revoke it. An unknown token counts as revoked (section 2.2). */
  @Post('revoke')
  @AllowAnonymous()
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  async revoke(
    @Body() body: unknown,
    @CurrentCaller() caller: Caller,
    @Headers('authorization') authorization?: string,
  ): Promise<Record<string, never>> {
    this.assertPublicClient(authorization);
    const token = requireParameter(parseOAuthParameters(body), 'token');
    if (looksLikeJwt(token)) {
      throw new OAuthError(
        400,
        'unsupported_token_type',
        'An access token cannot be revoked: revoke its refresh token.',
      );
    }
    await (
      isRefreshToken(token)
        ? this.jwt.revokeRefresh(token, caller)
        : this.apiTokenRevoker.revokeByRawToken(token, caller)
    ).catch(unlessOutage);
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
    // Refresh tokens first: a prefix of API tokens such as `sigra_` also matches refresh tokens.
    const found =
      this.apiTokenVerifier.recognizes(token) && !isRefreshToken(token)
        ? await this.introspectApiToken(token)
        : await this.introspector.introspect(token);
    return found ? { active: true, ...found } : { active: false };
  }

  /** Clients have no credentials here: one that sends some expects a check that would not happen. */
  private assertPublicClient(authorization: string | undefined): void {
    if (authorization !== undefined) throw invalidClient(authorization, this.config.realm);
  }

  private async introspectApiToken(rawToken: string): Promise<IntrospectedToken | undefined> {
    const token = await this.apiTokens.verify(rawToken).catch(unlessOutage);
    return (
      token && {
        sub: token.ownerId,
        jti: token.id,
        scope: token.scopes.join(' '),
        iat: Math.floor(token.createdAt.getTime() / 1000),
        ...(token.expiresAt && { exp: Math.floor(token.expiresAt.getTime() / 1000) }),
        token_type: 'Bearer',
      }
    );
  }
}
