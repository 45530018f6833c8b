import { Injectable } from '@nestjs/common';
import { admitsIp } from '../common/allowed-ips.js';
import type { Caller } from '../common/caller.js';
import { Clock } from '../common/clock.js';
import { hashSecret } from '../common/secret.js';
import { unlessOutage } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { ScopeCeiling } from '../owners/scope.ceiling.js';
import { OwnerStateReader } from '../persistence/owner-state.reader.js';
import { RefreshTokenRepository } from '../persistence/refresh-token.repository.js';
import { AccessTokenVerifier } from './access-token.verifier.js';
import { isRefreshToken } from '../common/token-format.js';

/** The members of an active token (RFC 7662 section 2.2). */
export type IntrospectedToken = Readonly<Record<string, unknown>>;

/**
 * Introspects access and refresh tokens, without side effects: a consumed refresh token is inactive, and no reuse. Only
 * tokens that this application accepts are active.
 */
@Injectable()
export class JwtIntrospector {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly owners: OwnerStateReader,
    private readonly ceiling: ScopeCeiling,
    private readonly refreshTokens: RefreshTokenRepository,
    private readonly verifier: AccessTokenVerifier,
  ) {}

  /**
   * Introspects a token.
   *
   * @param caller where the service that asks got the token from. A token that is limited to addresses is not active elsewhere
   * @returns undefined when the token is not active or not recognized
   * @throws SigraError `unavailable`
   */
  async introspect(token: string, caller: Caller = {}): Promise<IntrospectedToken | undefined> {
    if (isRefreshToken(token)) return this.refreshToken(token, caller);
    return this.verifier.recognizes(token) ? this.accessToken(token, caller) : undefined;
  }

  private async accessToken(jwt: string, caller: Caller): Promise<IntrospectedToken | undefined> {
    const verified = await this.verifier.inspect(jwt, caller).catch(unlessOutage);
    if (!verified) return undefined;
    // Without the claims that mean nothing outside.
    const { epoch, api_token_id, api_token_epoch, owner_type, scope = '', ...claims } = verified.claims;
    return { ...claims, scope, token_type: claims.cnf === undefined ? 'Bearer' : 'DPoP' };
  }

  private async refreshToken(rawToken: string, { ipAddress }: Caller): Promise<IntrospectedToken | undefined> {
    const found = await this.refreshTokens.findLive(hashSecret(rawToken), this.clock.now());
    if (!found) return undefined;
    const user = (await this.owners.find(found.ownerId))?.user;
    if (!user) return undefined;
    const { token, family } = found;
    // A refresh with it is refused.
    if ((family.dpopThumbprint !== null && !this.config.dpop) || !admitsIp(family.allowedIps, ipAddress))
      return undefined;
    return {
      iss: this.config.jwt?.issuer,
      sub: found.ownerId,
      client_id: this.config.jwt?.clientId,
      iat: Math.floor(token.createdAt.getTime() / 1000),
      exp: Math.floor(token.expiresAt.getTime() / 1000),
      scope: this.ceiling.limit(user, family.scopes).join(' '),
      sid: family.id,
      ...(family.allowedIps && { allowed_ips: family.allowedIps }),
      ...(family.resources && { allowed_resources: family.resources }),
      ...(family.dpopThumbprint !== null && { cnf: { jkt: family.dpopThumbprint } }),
    };
  }
}
