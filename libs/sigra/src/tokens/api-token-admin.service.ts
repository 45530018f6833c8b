import { Injectable } from '@nestjs/common';
import type { Caller } from '../common/caller.js';
import { Clock } from '../common/clock.js';
import { encodeCursor, parsePageRequest, type ListOrder, parseOrder } from '../common/cursor.js';
import { deadlineOf } from '../common/deadline.js';
import { isUuid } from '../common/uuid.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { ApiTokenFilter } from '../persistence/api-token-filter.js';
import { ApiTokenSearchRepository } from '../persistence/api-token-search.repository.js';
import type { ApiToken, LookedUpApiToken } from '../persistence/tables.js';
import { ScopeRegistry } from '../scopes/scope-registry.js';
import { AdministratorGate } from './administrator.gate.js';
import { type KnownNames, resolveFilter, resolveNarrowFilter } from './api-token.filter.js';
import { notFound } from './api-token.locker.js';
import { ApiTokenRevoker } from './api-token.revoker.js';
import type { ListApiTokens } from './api-token.service.js';
import { ApiTokenVerifier } from './api-token.verifier.js';
import { type MatchingApiTokens, MatchingTokenRevoker, type RevokedApiTokens } from './matching-token.revoker.js';

/** A search among the tokens of all owners: a filter and a page. */
export interface SearchApiTokens extends ApiTokenFilter, ListApiTokens {
  /** By the time of creation. @default 'newest' */
  readonly order?: ListOrder | undefined;
}

/** A page of a search. */
export interface FoundApiTokenPage {
  /** Less than the limit, or none, when few of the tokens that were looked at match. */
  readonly tokens: readonly LookedUpApiToken[];
  /** The cursor of the next page; null when all tokens have been looked at. */
  readonly nextCursor: string | null;
}

/**
 * Administers the API tokens of all owners. A filter finds those of the users, unless it has another `ownerType`.
 *
 * The principal of a caller needs the scope `api_tokens:admin`, and `admin.canAdminister` has to accept it: every method
 * rejects with `insufficient_scope` or `not_administrator` otherwise, and with `unavailable` when the database cannot be
 * reached. Without a principal, the application itself acts, without a limit.
 */
@Injectable()
export class ApiTokenAdminService {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly registry: ScopeRegistry,
    private readonly gate: AdministratorGate,
    private readonly tokens: ApiTokenSearchRepository,
    private readonly verifier: ApiTokenVerifier,
    private readonly revoker: ApiTokenRevoker,
    private readonly matching: MatchingTokenRevoker,
  ) {}

  /**
   * Finds the tokens that match all properties of a filter. A page looks at 50,000 tokens at most, so follow `nextCursor`
   * until it is null, also after a page without tokens. `ownerId`, `hint` and `createdBefore` are found by an index.
   *
   * @throws SigraError `invalid_filter`, `invalid_limit`, `invalid_cursor`
   */
  async search(request: SearchApiTokens = {}, caller: Caller = {}): Promise<FoundApiTokenPage> {
    await this.gate.admit(caller);
    const { limit: requested, cursor, order = 'newest', ...filter } = request;
    const { defaultPageSize, maxPageSize } = this.config.apiTokens;
    const page = parsePageRequest({ limit: requested, cursor }, { default: defaultPageSize, max: maxPageSize });
    const resolved = resolveFilter(filter, this.registry, this.names);
    const found = await this.tokens.find(
      resolved,
      { ...page, order: parseOrder(order) },
      this.clock.now(),
      this.left(caller),
    );
    const { tokens, next } = found;
    return { tokens, nextCursor: next ? encodeCursor(next.createdAt, next.id) : null };
  }

  /** Reads a token. @throws SigraError `not_found` */
  async find(tokenId: string, caller: Caller = {}): Promise<LookedUpApiToken> {
    await this.gate.admit(caller);
    const found = isUuid(tokenId) ? await this.tokens.read(tokenId, this.clock.now(), this.left(caller)) : undefined;
    if (!found) throw notFound();
    return found;
  }

  /** Finds the token of a raw form. See `ApiTokenService.lookup`. @throws SigraError `not_found` */
  async lookup(rawToken: string, caller: Caller = {}): Promise<LookedUpApiToken> {
    await this.gate.admit(caller);
    const found = await this.verifier.lookup(rawToken);
    if (!found) throw notFound();
    return found;
  }

  /**
   * Revokes a token, and everything that was made with it. See `ApiTokenService.revoke`.
   *
   * @throws SigraError `not_found`; `insufficient_scope` also when the principal does not hold all scopes of the token
   */
  async revoke(tokenId: string, caller: Caller = {}): Promise<ApiToken> {
    await this.gate.admit(caller);
    return this.revoker.revoke(tokenId, caller, { type: this.names.ownerTypes });
  }

  /**
   * Counts the tokens that `revokeMatching` would revoke. It reads the whole table, unless the filter has an owner or a hint.
   *
   * @throws SigraError `invalid_filter`, also for a filter that is empty or that matches more than 100,000 tokens
   */
  async previewMatching(filter: ApiTokenFilter, caller: Caller = {}): Promise<MatchingApiTokens> {
    await this.gate.admit(caller);
    return this.matching.preview(resolveNarrowFilter(filter, this.registry, this.names));
  }

  /**
   * Revokes the tokens that match a filter, and everything that was made with them, in one transaction, with an audit row
   * `api.token_revoke` for each. One call revokes the oldest thousand; repeat it until `remaining` is 0.
   *
   * @param digest that of `previewMatching`, or of the call before
   * @throws SigraError `invalid_filter` as `previewMatching`; `digest_mismatch` when other tokens match, and
   * `insufficient_scope` also when the principal does not hold all scopes of these tokens: nothing is revoked
   */
  async revokeMatching(filter: ApiTokenFilter, digest: string, caller: Caller = {}): Promise<RevokedApiTokens> {
    await this.gate.admit(caller);
    return this.matching.revoke(resolveNarrowFilter(filter, this.registry, this.names), digest, caller);
  }

  private get names(): KnownNames {
    const { apiTokens, ownerTypes } = this.config;
    return { kinds: apiTokens.kinds, ownerTypes: ownerTypes.map(({ type }) => type) };
  }

  private left(caller: Caller): number {
    return deadlineOf(caller, this.config.lookupTimeout).left;
  }
}
