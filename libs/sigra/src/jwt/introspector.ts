import { Injectable } from '@nestjs/common';
import { Clock } from '../common/clock.js';
import { hashSecret } from '../common/secret.js';
import { SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { RefreshTokenRepository } from '../persistence/refresh-token.repository.js';
import { UserDirectory } from '../persistence/user-directory.js';
import { AccessTokenVerifier } from './access-token.verifier.js';
import { isRefreshToken } from './refresh-token-format.js';

/** What is said of an active token (RFC 7662 section 2.2). */
export type IntrospectedToken = Readonly<Record<string, unknown>>;

/** Says what access and refresh tokens are good for, and changes nothing: a consumed token is just not active. */
@Injectable()
export class JwtIntrospector {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly users: UserDirectory,
    private readonly refreshTokens: RefreshTokenRepository,
    private readonly verifier: AccessTokenVerifier,
  ) {}

  /**
   * @returns nothing for a token that is not active, of whatever kind
   * @throws SigraError `unavailable`
   */
  async introspect(token: string): Promise<IntrospectedToken | undefined> {
    if (isRefreshToken(token)) return this.refreshToken(token);
    return this.verifier.claims(token) ? this.accessToken(token) : undefined;
  }

  private async accessToken(jwt: string): Promise<IntrospectedToken | undefined> {
    try {
      const { claims } = await this.verifier.verify(jwt);
      const { iss, sub, aud, client_id, iat, exp, jti, scope } = claims;
      return { iss, sub, aud, client_id, iat, exp, jti, scope: scope ?? '', token_type: 'Bearer' };
    } catch (error) {
      if (error instanceof SigraError && error.code !== 'unavailable') return undefined;
      throw error;
    }
  }

  private async refreshToken(rawToken: string): Promise<IntrospectedToken | undefined> {
    const found = await this.refreshTokens.findLive(hashSecret(rawToken), this.clock.now());
    if (!found || !(await this.users.findActive(found.user_id))) return undefined;
    return {
      iss: this.config.jwt?.issuer,
      sub: found.user_id,
      client_id: this.config.jwt?.clientId,
      iat: Math.floor(found.created_at.getTime() / 1000),
      exp: Math.floor(found.expires_at.getTime() / 1000),
      scope: found.scopes.join(' '),
    };
  }
}
