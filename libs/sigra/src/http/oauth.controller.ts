import { Body, Controller, Header, HttpCode, Post, Req, UseFilters, UseGuards } from '@nestjs/common';
import { AllowAnonymous } from '../auth/auth.decorators.js';
import { DpopService } from '../auth/dpop.service.js';
import { callerOf, countWait, type HttpRequest } from '../auth/http-exchange.js';
import type { Caller } from '../common/caller.js';
import { deadlineOf } from '../common/deadline.js';
import { unlessOutage } from '../common/sigra-error.js';
import { isRefreshToken, looksLikeJwt } from '../common/token-format.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { ClientTokenIssuer } from '../jwt/client-token.issuer.js';
import { ForeignTokenVerifier } from '../jwt/foreign-token.verifier.js';
import { type IntrospectedToken, JwtIntrospector } from '../jwt/jwt.introspector.js';
import { RefreshTokenRevoker } from '../jwt/refresh-token.revoker.js';
import { SigraJwtService } from '../jwt/sigra-jwt.service.js';
import { ApiTokenRevoker } from '../tokens/api-token.revoker.js';
import { ApiTokenService } from '../tokens/api-token.service.js';
import { ApiTokenVerifier } from '../tokens/api-token.verifier.js';
import { IntrospectionGuard } from './introspection.guard.js';
import { assertJwtEnabled } from './jwt.controller.js';
import { OAUTH_ENDPOINTS } from './mounted.routes.js';
import { OAuthClientAuthenticator } from './oauth-client.authenticator.js';
import { invalidClient, OAuthError } from './oauth-error.js';
import { OAuthExceptionFilter } from './oauth-exception.filter.js';
import { assertResource, parseOAuthParameters, parseScope, requireParameter } from './oauth-request.js';
import { type AccessTokenResponse, accessTokenResponse, tokenResponse } from './token-response.js';

/** The token endpoint (RFC 6749), revocation (RFC 7009) and introspection (RFC 7662). */
@Controller()
@UseFilters(OAuthExceptionFilter)
export class OAuthController {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clients: OAuthClientAuthenticator,
    private readonly jwt: SigraJwtService,
    private readonly clientTokens: ClientTokenIssuer,
    private readonly revoker: RefreshTokenRevoker,
    private readonly introspector: JwtIntrospector,
    private readonly foreignTokens: ForeignTokenVerifier,
    private readonly apiTokens: ApiTokenService,
    private readonly apiTokenVerifier: ApiTokenVerifier,
    private readonly apiTokenRevoker: ApiTokenRevoker,
    private readonly dpop: DpopService,
  ) {
    assertJwtEnabled(config, 'oauth');
  }

  /**
   * The refresh grant of RFC 6749 section 6, for public clients too, and `client_credentials` of section 4.4, for API
   * tokens. An API token that authenticates a refresh is checked; the refresh token belongs to its user, not to a client.
   * With a DPoP proof, the tokens are bound to its key (RFC 9449 section 5).
   */
  @Post(OAUTH_ENDPOINTS.token)
  @AllowAnonymous()
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @Header('Pragma', 'no-cache')
  async token(@Body() body: unknown, @Req() request: HttpRequest): Promise<AccessTokenResponse> {
    countWait(request);
    const parameters = parseOAuthParameters(body);
    const client = await this.clients.authenticate(request, parameters);
    assertResource(parameters.resource, [this.config.jwt?.audience, this.config.metadata.resource]);
    const scopes = parseScope(parameters.scope);
    switch (requireParameter(parameters, 'grant_type')) {
      case 'refresh_token': {
        const refreshToken = requireParameter(parameters, 'refresh_token');
        const dpopThumbprint = this.dpop.readThumbprint(request);
        return tokenResponse(await this.jwt.refresh(refreshToken, { scopes, dpopThumbprint }, callerOf(request)));
      }
      case 'client_credentials': {
        if (!client) throw invalidClient('This grant needs client authentication.', this.clients.challenge);
        const binding = { dpopThumbprint: await this.dpop.thumbprintOf(request) };
        const issued = this.clientTokens.issue(client, scopes, callerOf(request), binding);
        return accessTokenResponse(
          await issued.catch((error: unknown) => {
            // The client has ended since it was authenticated.
            throw this.clients.refusalOf(error, this.clients.challenge);
          }),
        );
      }
      default:
        throw new OAuthError(400, 'unsupported_grant_type', 'The grants are refresh_token and client_credentials.');
    }
  }

  /**
   * RFC 7009: anyone who holds a token can revoke it. An unknown token counts as revoked (section 2.2), but not one that
   * stays valid because nothing here can end it (section 2.2.1). The form of a token alone decides its type, so the hint
   * changes nothing (section 2.1).
   */
  @Post(OAUTH_ENDPOINTS.revocation)
  @AllowAnonymous()
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @Header('Pragma', 'no-cache')
  async revoke(@Body() body: unknown, @Req() request: HttpRequest): Promise<Record<string, never>> {
    countWait(request);
    const parameters = parseOAuthParameters(body);
    await this.clients.authenticate(request, parameters);
    await this.revokeToken(requireParameter(parameters, 'token'), callerOf(request)).catch(unlessOutage);
    return {};
  }

  /**
   * RFC 7662, for resource servers: authenticated by a client or a bearer credential with the scope `oauth:introspect`. The
   * parameter `ip_address` is the address that the resource server got the token from (section 2.1): without it, a token
   * that is limited to addresses is not active.
   */
  @Post(OAUTH_ENDPOINTS.introspection)
  @AllowAnonymous()
  @UseGuards(IntrospectionGuard)
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @Header('Pragma', 'no-cache')
  async introspect(@Body() body: unknown, @Req() request: HttpRequest): Promise<IntrospectedToken> {
    const parameters = parseOAuthParameters(body);
    const token = requireParameter(parameters, 'token');
    const presented = { ipAddress: parameters.ip_address };
    // Refresh tokens first: a prefix of API tokens such as `sigra_` also matches refresh tokens.
    const finding =
      this.apiTokenVerifier.recognizes(token) && !isRefreshToken(token)
        ? this.introspectApiToken(token, presented)
        : this.introspector.introspect(token, presented);
    const found = await deadlineOf(callerOf(request), this.config.lookupTimeout).limit(finding);
    // A claim of the application can have any name.
    return found ? { ...found, active: true } : { active: false };
  }

  private async revokeToken(token: string, caller: Caller): Promise<void> {
    if (isRefreshToken(token)) return this.jwt.revokeRefresh(token, caller);
    if (!looksLikeJwt(token)) return this.apiTokenRevoker.revokeByRawToken(token, caller);
    if (this.foreignTokens.issuerOf(token) !== undefined) {
      throw new OAuthError(400, 'unsupported_token_type', 'Another server has issued this token: revoke it there.');
    }
    if (await this.revoker.revokeByAccessToken(token, caller)) return;
    throw new OAuthError(
      400,
      'unsupported_token_type',
      'This access token belongs to no family: revoke the credential that it was issued to.',
    );
  }

  /** `sub` alone would not say that it is not the id of a user, so only tokens of users are active. */
  private async introspectApiToken(rawToken: string, presented: Caller): Promise<IntrospectedToken | undefined> {
    const token = await this.apiTokens.verify(rawToken, presented).catch(unlessOutage);
    return (
      token && {
        sub: token.ownerId,
        jti: token.id,
        scope: token.scopes.join(' '),
        iat: Math.floor(token.createdAt.getTime() / 1000),
        ...(token.expiresAt && { exp: Math.floor(token.expiresAt.getTime() / 1000) }),
        ...(token.allowedIps && { allowed_ips: token.allowedIps }),
        ...(token.resources && { allowed_resources: token.resources }),
        ...(token.kind !== null && { token_kind: token.kind }),
        token_type: 'Bearer',
      }
    );
  }
}
