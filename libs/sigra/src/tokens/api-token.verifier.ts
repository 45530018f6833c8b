import { Injectable } from '@nestjs/common';
import { admitsIp } from '../common/allowed-ips.js';
import type { Caller } from '../common/caller.js';
import { Clock } from '../common/clock.js';
import type { ForeignTokenHashes } from '../common/foreign-formats.js';
import { refuse } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { ScopeCeiling } from '../owners/scope.ceiling.js';
import { stateOfToken } from '../owners/end-of-token.js';
import { ApiTokenRepository, type FoundApiToken } from '../persistence/api-token.repository.js';
import type { OwnedRecord } from '../persistence/owned-record.reader.js';
import type { Epochs } from '../persistence/owner.repository.js';
import type { ApiToken, ApiTokenState, LookedUpApiToken } from '../persistence/tables.js';
import { tracedVerification } from '../telemetry/traced.js';
import { LastUsedRecorder } from './last-used.recorder.js';
import { SecretHashRecorder } from './secret-hash.recorder.js';
import { UsageRecorder } from './usage.recorder.js';
import { VerifyFailureRecorder } from './verify-failure.recorder.js';

/** A valid token and its owner, a user or another one, with the owner's epochs. */
export interface VerifiedApiToken extends Epochs {
  /** With the scopes that the owner can have now. */
  readonly token: ApiToken;
  readonly user: object;
}

const describe = ({ token }: VerifiedApiToken) => token;

/** Verifies API tokens with one read that starts after the call. */
@Injectable()
export class ApiTokenVerifier {
  private readonly rules: SigraConfig['apiTokens'];

  constructor(
    @InjectSigraConfig() config: SigraConfig,
    private readonly clock: Clock,
    private readonly tokens: ApiTokenRepository,
    private readonly lastUsed: LastUsedRecorder,
    private readonly usage: UsageRecorder,
    private readonly failures: VerifyFailureRecorder,
    private readonly secrets: SecretHashRecorder,
    private readonly ceiling: ScopeCeiling,
  ) {
    this.rules = config.apiTokens;
  }

  /** Whether a bearer credential begins like an API token, or has the form of one of another system. */
  recognizes(credential: string): boolean {
    return this.rules.rawTokens.recognizes(credential);
  }

  /**
   * Verifies a raw token.
   *
   * @param owners the types of owners that are accepted; a refusal of another one is not recorded as a use. @default all
   * @throws SigraError `invalid_token`, `token_revoked`, `token_expired`, `owner_not_allowed`, `unavailable`
   */
  verify(rawToken: string, caller: Caller, owners?: readonly string[]): Promise<VerifiedApiToken> {
    return tracedVerification('api_token.verify', () => this.check(rawToken, caller, owners), describe);
  }

  private async check(rawToken: string, caller: Caller, owners?: readonly string[]): Promise<VerifiedApiToken> {
    const hashes = this.rules.rawTokens.hashesOf(rawToken);
    if (hashes === undefined) throw refuse('invalid_token', 'The token is malformed.');
    const assertLive = (record: FoundApiToken) => {
      this.assertLive(record, caller);
    };
    const admits = (record: FoundApiToken) => this.stateOf(record) === 'active' && isAccepted(record.token, caller);
    const found = await (typeof hashes === 'string'
      ? this.tokens.findWithOwner(hashes, assertLive, admits)
      : this.findImported(hashes, assertLive, admits));
    if (!found) {
      this.failures.recordUnknown(caller);
      throw refuse('invalid_token', 'The token is unknown.');
    }
    const { record, user } = found;
    const { token, tokenEpoch, familyEpoch } = record;
    if (!user) {
      this.failures.recordKnown(token, 'user_inactive', caller);
      throw refuse('invalid_token', 'The owner of the token does not exist or is not active.');
    }
    if (owners?.includes(token.ownerType) === false) {
      throw refuse('owner_not_allowed', 'The owner of the token is of another type.');
    }
    this.lastUsed.record(token, caller);
    this.usage.record(token.id);
    return { token: this.ceiling.limitToken(user, token), user, tokenEpoch, familyEpoch };
  }

  /** Finds a token whatever has become of it. Nothing is recorded. See `ApiTokenService.lookup`. */
  async lookup(rawToken: string): Promise<LookedUpApiToken | undefined> {
    const hash = await this.rules.rawTokens.hashOf(rawToken);
    const found = hash === undefined ? undefined : await this.tokens.find(hash);
    return found && { token: found.token, state: this.stateOf(found) };
  }

  /** Finds a token that has ended by its rotation and by nothing else, for a caller that could use it before. */
  async findRotated(rawToken: string, caller: Caller): Promise<VerifiedApiToken | undefined> {
    const hash = await this.rules.rawTokens.hashOf(rawToken);
    if (hash === undefined) return undefined;
    const { record, user } = (await this.tokens.findWithOwner(hash)) ?? {};
    if (!record || !user) return undefined;
    const { token, tokenEpoch, familyEpoch } = record;
    const isRotated = token.replacedBy !== null && (token.revokedAt === null || token.revokeReason === 'rotated');
    if (!isRotated || token.tokenEpoch !== tokenEpoch || !isAccepted(token, caller)) return undefined;
    return { token: this.ceiling.limitToken(user, token), user, tokenEpoch, familyEpoch };
  }

  /** By the fast hash, if a use has recorded one. Both hashes find one row, so it ends for both at the same time. */
  private async findImported(
    { secretHash, tokenHash }: ForeignTokenHashes,
    assertLive: (record: FoundApiToken) => void,
    admits: (record: FoundApiToken) => boolean,
  ): Promise<OwnedRecord<FoundApiToken> | undefined> {
    const known = secretHash === undefined ? undefined : await this.tokens.findBySecret(secretHash, assertLive, admits);
    if (known) return known;
    const found = await this.tokens.findWithOwner(await tokenHash(), assertLive, admits);
    if (found?.user && secretHash !== undefined) this.secrets.record(found.record.token, secretHash);
    return found;
  }

  private assertLive(found: FoundApiToken, caller: Caller): void {
    const state = this.stateOf(found);
    if (state === 'active') {
      if (isAccepted(found.token, caller)) return;
      this.failures.recordKnown(found.token, 'ip_not_allowed', caller);
      throw refuse('invalid_token', 'The token is not accepted from this address.');
    }
    const code = `token_${state}` as const;
    this.failures.recordKnown(found.token, code, caller);
    throw refuse(code, `The token has ${state === 'revoked' ? 'been revoked' : 'expired'}.`);
  }

  private stateOf(found: FoundApiToken): ApiTokenState {
    return stateOfToken(found, this.rules, this.clock.now());
  }
}

/** Most tokens are accepted from all addresses: the one of the caller is only read for the others. */
function isAccepted({ allowedIps }: ApiToken, caller: Caller): boolean {
  return allowedIps === null || admitsIp(allowedIps, caller.ipAddress);
}
