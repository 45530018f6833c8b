import { Body, Controller, Header, Headers, HttpCode, Post, UseFilters, UseGuards } from '@nestjs/common';
import type { CallContext } from '../audit/audit-event.js';
import { AllowAnonymous } from '../auth/decorators/allow-anonymous.decorator.js';
import { RequireScopes } from '../auth/decorators/require-scopes.decorator.js';
import { BearerAuthGuard } from '../auth/guards/bearer-auth.guard.js';
import { SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { type IntrospectedToken, JwtIntrospector } from '../jwt/introspector.js';
import { isRefreshToken } from '../jwt/refresh-token-format.js';
import { SigraJwtService } from '../jwt/sigra-jwt.service.js';
import { ApiTokenRevoker } from '../tokens/api-token.revoker.js';
import { ApiTokenService } from '../tokens/api-token.service.js';
import { ApiTokenVerifier } from '../tokens/api-token.verifier.js';
import { Caller } from './call-context.decorator.js';
import { assertJwtEnabled } from './jwt-enabled.js';
import { invalidClient, OAuthError } from './oauth-error.js';
import { OAuthExceptionFilter } from './oauth-exception.filter.js';
import { parseOAuthParameters, requireParameter } from './oauth-request.js';
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
    @Caller() caller: CallContext,
    @Headers('authorization') authorization?: string,
  ): Promise<TokenResponse> {
    this.assertPublicClient(authorization);
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
    this.assertPublicClient(authorization);
    const token = requireParameter(parseOAuthParameters(body), 'token');
    if (token.startsWith('eyJ')) {
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
    ).catch(unlessInactive);
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
    // A refresh token first: the prefix of API tokens may be the beginning of its own.
    const found =
      this.apiTokenVerifier.claims(token) && !isRefreshToken(token)
        ? await this.introspectApiToken(token)
        : await this.introspector.introspect(token);
    return found ? { active: true, ...found } : { active: false };
  }

  /** There are no clients with credentials here: whoever brings some expects a check that would not happen. */
  private assertPublicClient(authorization: string | undefined): void {
    if (authorization !== undefined) throw invalidClient(authorization, this.config.realm);
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

function unlessInactive(error: unknown): undefined {
  if (error instanceof SigraError && error.code !== 'unavailable' && error.code !== 'refresh_aborted') return undefined;
  throw error;
}
