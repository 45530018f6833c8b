import { Injectable } from '@nestjs/common';
import type { Caller } from '../common/caller.js';
import { Clock, hasExpired } from '../common/clock.js';
import { hashSecret } from '../common/secret.js';
import { refuse } from '../common/sigra-error.js';
import { isWellFormed } from '../common/token-format.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { ApiTokenRepository } from '../persistence/api-token.repository.js';
import type { ApiToken } from '../persistence/tables.js';
import { apiTokenChannels } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';
import { LastUsedRecorder } from './last-used.recorder.js';
import { VerifyFailureRecorder } from './verify-failure.recorder.js';

/** A valid token and its owner. */
export interface VerifiedApiToken {
  readonly token: ApiToken;
  readonly user: object;
}

const describe = ({ token }: VerifiedApiToken) => token;

/** Verifies API tokens with one read that starts after the call. */
@Injectable()
export class ApiTokenVerifier {
  private readonly prefix: string;

  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly clock: Clock,
    private readonly tokens: ApiTokenRepository,
    private readonly lastUsed: LastUsedRecorder,
    private readonly failures: VerifyFailureRecorder,
  ) {
    this.prefix = config.apiTokens.prefix;
  }

  /** Whether a bearer credential has the prefix of API tokens. */
  recognizes(credential: string): boolean {
    return credential.startsWith(this.prefix);
  }

  /** Verifies a raw token. @throws SigraError `invalid_token`, `token_revoked`, `token_expired`, `unavailable` */
  verify(rawToken: string, caller: Caller): Promise<VerifiedApiToken> {
    return traced(apiTokenChannels.verify, {}, () => this.check(rawToken, caller), describe);
  }

  private async check(rawToken: string, caller: Caller): Promise<VerifiedApiToken> {
    if (typeof rawToken !== 'string' || !isWellFormed(rawToken, this.prefix)) {
      throw refuse('invalid_token', 'The token is malformed.');
    }
    const found = await this.tokens.findWithOwner(hashSecret(rawToken), (token) => this.assertLive(token, caller));
    if (!found) {
      this.failures.recordUnknown(caller);
      throw refuse('invalid_token', 'The token is unknown.');
    }
    const { record: token, user } = found;
    if (!user) {
      this.failures.recordKnown(token, 'user_inactive', caller);
      throw refuse('invalid_token', 'The owner of the token does not exist or is not active.');
    }
    this.lastUsed.record(token, caller);
    return { token, user };
  }

  private assertLive(token: ApiToken, caller: Caller): void {
    if (token.revokedAt) {
      this.failures.recordKnown(token, 'token_revoked', caller);
      throw refuse('token_revoked', 'The token has been revoked.');
    }
    if (hasExpired(token.expiresAt, this.clock.now())) {
      this.failures.recordKnown(token, 'token_expired', caller);
      throw refuse('token_expired', 'The token has expired.');
    }
  }
}
