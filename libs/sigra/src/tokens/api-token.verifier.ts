import { Injectable } from '@nestjs/common';
import { Clock } from '../common/clock.js';
import { hashSecret } from '../common/secret.js';
import { refuse } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { type ApiTokenRow, hasExpired } from '../persistence/api-token-row.js';
import { CredentialReader } from '../persistence/credential-reader.js';
import { apiTokenChannels } from '../telemetry/channels.js';
import { traced } from '../telemetry/traced.js';
import { type ApiToken, toApiToken } from './api-token.js';
import { LastUsedRecorder } from './last-used.recorder.js';
import { isWellFormed } from '../common/token-format.js';
import { type RequestOrigin, VerifyFailureRecorder } from './verify-failure.recorder.js';

/** A token that is good now, and its owner. */
export interface VerifiedApiToken {
  readonly token: ApiToken;
  readonly user: object;
}

const describe = ({ token }: VerifiedApiToken) => token;

/** Tells good tokens from all others, by one read that starts after the call. */
@Injectable()
export class ApiTokenVerifier {
  private readonly prefix: string;

  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly clock: Clock,
    private readonly credentials: CredentialReader,
    private readonly lastUsed: LastUsedRecorder,
    private readonly failures: VerifyFailureRecorder,
  ) {
    this.prefix = config.apiTokens.prefix;
  }

  /** Whether a bearer credential claims to be an API token. */
  claims(credential: string): boolean {
    return credential.startsWith(this.prefix);
  }

  /** @throws SigraError `invalid_token`, `token_revoked`, `token_expired`, `unavailable` */
  verify(rawToken: string, origin: RequestOrigin): Promise<VerifiedApiToken> {
    return traced(apiTokenChannels.verify, {}, () => this.check(rawToken, origin), describe);
  }

  private async check(rawToken: string, origin: RequestOrigin): Promise<VerifiedApiToken> {
    if (typeof rawToken !== 'string' || !isWellFormed(rawToken, this.prefix)) {
      throw refuse('invalid_token', 'The token is malformed.');
    }
    const found = await this.credentials.find(hashSecret(rawToken));
    if (!found) {
      this.failures.recordUnknown(origin);
      throw refuse('invalid_token', 'The token is unknown.');
    }
    const token = found.token();
    this.assertLive(token, origin);
    const user = await found.ownerOf(token);
    if (!user) {
      this.failures.recordKnown(token, 'user_inactive', origin);
      throw refuse('invalid_token', 'The owner of the token may not sign in.');
    }
    this.lastUsed.record(token, origin);
    return { token: toApiToken(token), user };
  }

  private assertLive(token: ApiTokenRow, origin: RequestOrigin): void {
    if (token.revoked_at) {
      this.failures.recordKnown(token, 'token_revoked', origin);
      throw refuse('token_revoked', 'The token has been revoked.');
    }
    if (token.expires_at && hasExpired(token.expires_at, this.clock.now())) {
      this.failures.recordKnown(token, 'token_expired', origin);
      throw refuse('token_expired', 'The token has expired.');
    }
  }
}
