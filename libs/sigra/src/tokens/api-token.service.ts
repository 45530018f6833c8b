import { Injectable } from '@nestjs/common';
import type { Caller } from '../common/caller.js';
import { Clock } from '../common/clock.js';
import { pageOf, parsePageRequest, type ListOrder, parseOrder } from '../common/cursor.js';
import { deadlineOf } from '../common/deadline.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { ApiTokenRepository } from '../persistence/api-token.repository.js';
import { OwnerDirectories, type OwnerRef } from '../persistence/owner-directories.js';
import type { ApiToken, LookedUpApiToken } from '../persistence/tables.js';
import { can, type CanOptions, type ScopeHolder } from '../scopes/can.js';
import { type ScopeDetails, ScopeRegistry } from '../scopes/scope-registry.js';
import { ApiTokenIssuer, type CreateApiToken } from './api-token.issuer.js';
import { ApiTokenRevoker } from './api-token.revoker.js';
import { ApiTokenRotator, type RotateApiToken } from './api-token.rotator.js';
import { ApiTokenUpdater, type UpdateApiToken } from './api-token.updater.js';
import { ApiTokenVerifier } from './api-token.verifier.js';
import type { HashedToken } from './hashed-token.js';
import { HashedTokenImporter, type ImportedTokens } from './hashed-token.importer.js';
import type { IssuedApiToken } from './issue.replayer.js';
import { type TokenUsage, type UsageRange, UsageReader } from './usage.reader.js';

/** The page of a user's tokens to list. */
export interface ListApiTokens {
  /** Tokens per page, 1 to `maxPageSize`. @default `defaultPageSize` */
  readonly limit?: number | undefined;
  /** `nextCursor` of the previous page. */
  readonly cursor?: string | undefined;
}

/** The page of an owner's active tokens to list, and their order. */
export interface ListActiveApiTokens extends ListApiTokens {
  /** Which token is first. All pages of a list need the same order. @default 'oldest' */
  readonly order?: ListOrder | undefined;
}

/** Which tokens `verify` accepts. */
export interface VerifyApiToken {
  /** The types of owners whose tokens count. @default users alone */
  readonly owners?: readonly string[] | undefined;
}

/** A page of a user's active tokens. */
export interface ApiTokenPage {
  /** In the requested order. */
  readonly tokens: readonly ApiToken[];
  /** The cursor of the next page; null on the last page. */
  readonly nextCursor: string | null;
}

/**
 * Creates, verifies, lists, changes, rotates and revokes API tokens.
 *
 * A user is the application's user object or its id, or another owner of tokens as `ownerRef()` names it. Every method rejects with `unavailable` when the database cannot be
 * reached.
 */
@Injectable()
export class ApiTokenService {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly registry: ScopeRegistry,
    private readonly owners: OwnerDirectories,
    private readonly tokens: ApiTokenRepository,
    private readonly issuer: ApiTokenIssuer,
    private readonly verifier: ApiTokenVerifier,
    private readonly revoker: ApiTokenRevoker,
    private readonly rotator: ApiTokenRotator,
    private readonly updater: ApiTokenUpdater,
    private readonly usageReader: UsageReader,
    private readonly importer: HashedTokenImporter,
  ) {}

  /**
   * Creates a token for a user, with the audit row `api.token_create` in the same transaction.
   *
   * @param user the owner
   * @param caller where the call comes from; with a principal, the token can only get scopes that the principal holds, and does
   * not outlive the principal's credential, and is accepted only from addresses that the credential is accepted from, and holds only resources that the credential holds
   * @returns the token and its raw form, which exists only here
   * @throws SigraError `name_required`, `name_too_long`, `invalid_name`, `description_too_long`, `invalid_description`,
   * `invalid_metadata`, `invalid_allowed_ips`, `invalid_resources`, `kind_required`, `invalid_kind`, `scopes_required`, `invalid_scope_format`,
   * `unregistered_scopes`, `expiry_required`, `expiry_in_past`, `invalid_expiry`, `ttl_exceeded`, `insufficient_scope`,
   * `kind_not_allowed` when the principal is, or descends from, a token of another kind, `too_many_tokens`,
   * `invalid_idempotency_key`, `idempotency_key_reused`; `not_found` for an unknown user, with `users.scopes`;
   * `token_revoked`, `token_expired` or `epoch_mismatch` when the principal's credential, or all tokens of the user, ended
   * in the meantime
   */
  async create(user: OwnerRef, request: CreateApiToken, caller: Caller = {}): Promise<IssuedApiToken> {
    return this.issuer.create(user, request, caller);
  }

  /**
   * Imports tokens of another system by their hashes, so that clients keep their raw tokens: see `apiTokens.foreignFormats`.
   *
   * All tokens are checked first: if one is invalid, nothing is written. Then each batch of 1,000 commits with an audit row
   * `api.token_import` for each of its tokens. After an interruption, the same call imports the rest. An import keeps what exists:
   * `requireExpiry` and `maxTtl` do not apply to it, unless `enforceOnExisting` is set; `maxActivePerOwner` does.
   *
   * @param caller where the call comes from. It cannot have a principal: only the application imports tokens
   * @throws SigraError `invalid_import`, whose `problems` name the index, the code and the message of each invalid token; the
   * codes are those of `create` without those of a principal, and `invalid_import`, `not_found` for an unknown owner, and
   * `too_many_tokens`, which is found when a batch is written: earlier batches have been imported then
   */
  async importHashed(tokens: readonly HashedToken[], caller: Omit<Caller, 'principal'> = {}): Promise<ImportedTokens> {
    return this.importer.import(tokens, caller);
  }

  /**
   * Verifies a raw token against the current state of the database: a token that was revoked before the call is rejected.
   *
   * Records `last_used_at` and the audit rows of failures in the background. A success writes no audit row.
   *
   * @param caller where the token came from, for `allowedIps`, `last_used_ip` and the audit rows of failures: without an
   * address, a token that is limited to addresses is refused
   * @throws SigraError `invalid_token` (malformed or unknown, not accepted from this address, or its owner does not exist or
   * is not active), `token_revoked`, `token_expired`, `owner_not_allowed`
   */
  async verify(rawToken: string, caller: Caller = {}, options: VerifyApiToken = {}): Promise<ApiToken> {
    const { owners = [this.config.users.type] } = options;
    return (await this.verifier.verify(rawToken, caller, owners)).token;
  }

  /**
   * Finds the token of a raw form, for a string that leaked: whose it is, and whether it still works. Unlike `verify`, it records
   * neither a use nor a failure, and does not ask whether the owner is active.
   *
   * @returns undefined for a string that is not a token of this application, or one that clean-up has deleted
   * @throws SigraError `unavailable`
   */
  async lookup(rawToken: string): Promise<LookedUpApiToken | undefined> {
    return this.verifier.lookup(rawToken);
  }

  /**
   * Revokes a token of any owner, and everything that was made with it. A token that is already revoked stays unchanged and gets
   * no second audit row.
   *
   * @param caller where the call comes from, for the audit row `api.token_revoke`
   * @throws SigraError `not_found`; `insufficient_scope` when the caller's principal does not hold all scopes of the token
   */
  async revoke(tokenId: string, caller: Caller = {}): Promise<ApiToken> {
    return this.revoker.revoke(tokenId, caller, this.owners.anyOwner);
  }

  /**
   * Revokes a token together with all tokens that it was rotated from or to, and everything that was made with any of them: for a
   * token that leaked, which a thief can have rotated. A token that is already revoked is locked out as well. Each token gets an
   * audit row `api.token_revoke`.
   *
   * @throws SigraError `not_found`; `insufficient_scope` when the caller's principal does not hold all scopes of the token
   */
  async lockOut(tokenId: string, caller: Caller = {}): Promise<void> {
    await this.revoker.lockOut(tokenId, caller, this.owners.anyOwner);
  }

  /**
   * Like `revoke`, for a token of this user. A token of another user counts as missing.
   *
   * @throws SigraError `not_found`, `insufficient_scope`
   */
  async revokeForUser(user: OwnerRef, tokenId: string, caller: Caller = {}): Promise<ApiToken> {
    return this.revoker.revoke(tokenId, caller, this.owners.ownerOf(user));
  }

  /**
   * Revokes all active tokens of a user at once, however many there are, with one audit row. Also ends calls of `create` that
   * have read the state of the user, which is the first thing that they do; with a principal, that of its request counts. JWTs
   * stay valid: see `CredentialService.lockOut`.
   *
   * @returns the number of tokens revoked
   * @throws SigraError `insufficient_scope` when the caller's principal does not hold all scopes of these tokens
   */
  async revokeAll(user: OwnerRef, caller: Caller = {}): Promise<number> {
    return this.revoker.revokeAll(this.owners.ownerOf(user), caller);
  }

  /**
   * Changes properties of an active token, with the audit row `api.token_update`, which has the values before and after.
   * Without a difference, nothing is written. Narrower scopes, addresses and resources and an earlier expiry are in force at once, also
   * for what calls under way make with the token, for earlier tokens of its rotations that are in their grace period, and
   * for what the token has made, to any depth. Only access tokens (JWTs) that have been signed keep their scopes,
   * addresses and resources until they expire.
   *
   * @param caller where the call comes from; a principal can narrow the scopes, addresses and resources and move the
   * expiry to an earlier time only
   * @throws SigraError `not_found`, `token_revoked` (revoked or already rotated), `token_expired`, `name_required`,
   * `name_too_long`, `invalid_name`, `description_too_long`, `invalid_description`, `invalid_metadata`,
   * `invalid_allowed_ips`, `invalid_resources`, `scopes_required`, `invalid_scope_format`, `unregistered_scopes`, the codes
   * of an expiry; `insufficient_scope` when the caller's principal does not hold all scopes of the token, or widens them;
   * `resource_not_allowed` when it does not hold all resources of the token
   */
  async update(tokenId: string, request: UpdateApiToken, caller: Caller = {}): Promise<ApiToken> {
    return this.updater.update(tokenId, request, caller, this.owners.anyOwner);
  }

  /**
   * Like `update`, for a token of this user. A token of another user counts as missing.
   *
   * @throws SigraError as `update`
   */
  async updateForUser(
    user: OwnerRef,
    tokenId: string,
    request: UpdateApiToken,
    caller: Caller = {},
  ): Promise<ApiToken> {
    return this.updater.update(tokenId, request, caller, this.owners.ownerOf(user));
  }

  /**
   * Replaces a token with a new one that has the same name, description, metadata, kind, scopes, addresses, resources,
   * owner and lifetime. Through a principal that is limited to addresses, the new one has only those of both. The old token is revoked
   * at once, or expires after the grace period, but never later than before. Only one of several concurrent rotations
   * succeeds.
   *
   * @returns the new token and its raw form, which exists only here
   * @throws SigraError `not_found`, `token_revoked` (revoked or already rotated), `token_expired`, `invalid_grace`,
   * `insufficient_scope` when the caller's principal does not hold all scopes of the token, `kind_not_allowed` when it is,
   * or descends from, a token of another kind, `invalid_kind` for a token whose kind is not configured any more,
   * `too_many_tokens` with a grace period, `invalid_idempotency_key`, `idempotency_key_reused`, and the codes of an expiry
   */
  async rotate(tokenId: string, request: RotateApiToken = {}, caller: Caller = {}): Promise<IssuedApiToken> {
    return this.rotator.rotate(tokenId, request, caller, this.owners.anyOwner);
  }

  /**
   * Like `rotate`, for a token of this user. A token of another user counts as missing.
   *
   * @throws SigraError as `rotate`
   */
  async rotateForUser(
    user: OwnerRef,
    tokenId: string,
    request: RotateApiToken = {},
    caller: Caller = {},
  ): Promise<IssuedApiToken> {
    return this.rotator.rotate(tokenId, request, caller, this.owners.ownerOf(user));
  }

  /**
   * Lists a user's tokens that are neither revoked nor expired, oldest first unless `order` says otherwise. Tokens that are
   * created during paging appear on a later page if the oldest is first, or else on none; no token is skipped or repeated.
   *
   * @param caller how long its request has waited counts; a principal that is limited to resources sees only the tokens
   * whose resources it holds
   * @throws SigraError `invalid_limit`, `invalid_cursor`, `invalid_filter` for an unknown order
   */
  async listActive(user: OwnerRef, request: ListActiveApiTokens = {}, caller: Caller = {}): Promise<ApiTokenPage> {
    const { defaultPageSize, maxPageSize } = this.config.apiTokens;
    const { limit, position } = parsePageRequest(request, { default: defaultPageSize, max: maxPageSize });
    const order = parseOrder(request.order ?? 'oldest');
    // One row more than the limit shows that there is a next page.
    const owner = this.owners.ownerOf(user);
    const { left } = deadlineOf(caller, this.config.lookupTimeout);
    const { resources = null } = caller.principal ?? {};
    const tokens = await this.tokens.listActive(owner, this.clock.now(), limit + 1, position, left, resources, order);
    const { items, nextCursor } = pageOf(tokens, limit, ({ createdAt }) => createdAt);
    return { tokens: items, nextCursor };
  }

  /**
   * Lists the active tokens of all owners that break the `requireExpiry` or `maxTtl` of their kind, because they were
   * created before those were set, oldest first. Their owners can rotate or revoke them; `enforceOnExisting` ends them. It
   * reads the whole table, so it is for reports, not for requests.
   *
   * @throws SigraError `invalid_limit`, `invalid_cursor`
   */
  async listOutsideRules(request: ListApiTokens = {}): Promise<ApiTokenPage> {
    const { defaultPageSize, maxPageSize, kinds } = this.config.apiTokens;
    const { limit, position } = parsePageRequest(request, { default: defaultPageSize, max: maxPageSize });
    if (!kinds.limitLifetimes) return { tokens: [], nextCursor: null };
    const tokens = await this.tokens.listOutsideRules(this.owners.types, this.clock.now(), limit + 1, position);
    const { items, nextCursor } = pageOf(tokens, limit, ({ createdAt }) => createdAt);
    return { tokens: items, nextCursor };
  }

  /**
   * Reads how many requests were made with a token on each day, oldest first. A day without requests is left out, and those
   * of the last minute can be missing.
   *
   * @returns nothing for the time in which `apiTokens.usage.enabled` was not set
   * @throws SigraError `not_found`, `invalid_filter`
   */
  async usage(tokenId: string, range: UsageRange = {}, caller: Caller = {}): Promise<readonly TokenUsage[]> {
    return this.usageReader.read(tokenId, range, caller, this.owners.anyOwner);
  }

  /**
   * Like `usage`, for a token of this user. A token of another user counts as missing.
   *
   * @throws SigraError `not_found`, `invalid_filter`
   */
  async usageForUser(
    user: OwnerRef,
    tokenId: string,
    range: UsageRange = {},
    caller: Caller = {},
  ): Promise<readonly TokenUsage[]> {
    return this.usageReader.read(tokenId, range, caller, this.owners.ownerOf(user));
  }

  /** Lists all scopes that a token can get: the built-in scopes, then the application's. */
  listScopes(): readonly string[] {
    return this.registry.all;
  }

  /** Lists all scopes that a token can get, with their texts for people and the scopes that they imply. */
  scopeCatalogue(): readonly ScopeDetails[] {
    return this.registry.catalogue;
  }

  /**
   * A regular expression that finds the raw tokens of the application in text, of all kinds and with earlier prefixes as
   * well, for secret scanners and log filters. Tokens of other systems are not found: see `apiTokens.foreignFormats`.
   */
  tokenPattern(): RegExp {
    return this.config.apiTokens.kinds.pattern();
  }

  /** Whether a token or principal holds the scopes, according to the application's rules. See `can`. */
  can(holder: ScopeHolder, scopes: readonly string[], options: Pick<CanOptions, 'match' | 'resource'> = {}): boolean {
    return can(holder, scopes, { ...options, rules: this.config.apiTokens.rules });
  }
}
