import { Injectable } from '@nestjs/common';
import { isScopeList, isWildcard, SCOPE_RULE } from '../common/scope-grammar.js';
import { SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { assertCovers } from './assert-scopes.js';

/** The scopes that every application has: for Sigra's own resources and the user's profile. */
const BUILT_IN = [
  'profile:read',
  'profile:write',
  'sessions:read',
  'sessions:write',
  'api_tokens:read',
  'api_tokens:write',
] as const;

/** The scopes of the OAuth endpoints, which need JWTs. */
const BUILT_IN_WITH_JWT = ['oauth:introspect'] as const;

/** The most unregistered scopes that an error names: a request can have thousands. */
const MAX_NAMED = 5;

/** The scopes that the application's credentials can get. */
@Injectable()
export class ScopeRegistry {
  /** The built-in scopes and then the configured ones, without duplicates. */
  readonly all: readonly string[];
  private readonly registered: ReadonlySet<string>;
  /** `a:` and `a:b:` for the scope `a:b:c`: a wildcard that begins with one of them covers a scope. */
  private readonly stems: ReadonlySet<string>;

  private readonly writeImpliesRead: boolean;

  constructor(@InjectSigraConfig() config: SigraConfig) {
    this.writeImpliesRead = config.apiTokens.writeImpliesRead;
    this.registered = new Set([...BUILT_IN, ...(config.jwt ? BUILT_IN_WITH_JWT : []), ...config.apiTokens.scopes]);
    this.all = Object.freeze([...this.registered]);
    this.stems = new Set(this.all.flatMap(stemsOf));
  }

  /**
   * Checks the scopes of a grant and removes duplicates.
   *
   * @throws SigraError `scopes_required`, `invalid_scope_format`, `unregistered_scopes`
   */
  parseGrant(scopes: unknown): readonly string[] {
    const grant = parseScopes(scopes);
    const unregistered = grant.filter((scope) => !this.canBeGranted(scope));
    if (unregistered.length > 0) {
      const more = unregistered.length > MAX_NAMED ? ` and ${unregistered.length - MAX_NAMED} more` : '';
      throw new SigraError(
        'unregistered_scopes',
        `Not registered: ${unregistered.slice(0, MAX_NAMED).join(', ')}${more}.`,
      );
    }
    return grant;
  }

  /**
   * The scopes of an access token that has some of the scopes of its family or API token. Those that only a wildcard covers must
   * be registered.
   *
   * @param requested the result of `parseScopes`
   * @throws SigraError `insufficient_scope`, `unregistered_scopes`
   */
  narrow(granted: readonly string[], requested: readonly string[]): readonly string[] {
    assertCovers(granted, requested, this.writeImpliesRead, 'A request can narrow the scopes, but not widen them.');
    const others = requested.filter((scope) => !granted.includes(scope));
    if (others.length > 0) this.parseGrant(others);
    return requested;
  }

  /** Whether a scope or wildcard is registered, or covers a registered scope. */
  canBeGranted(scope: string): boolean {
    if (scope === '*') return true;
    if (!isWildcard(scope)) return this.registered.has(scope);
    return this.stems.has(scope.slice(0, -1));
  }
}

/**
 * The scopes of a request, without duplicates.
 *
 * @throws SigraError `scopes_required`, `invalid_scope_format`
 */
export function parseScopes(scopes: unknown): readonly string[] {
  if (!Array.isArray(scopes) || scopes.length === 0) {
    throw new SigraError('scopes_required', 'At least one scope is required.');
  }
  if (!isScopeList(scopes)) throw new SigraError('invalid_scope_format', SCOPE_RULE);
  return [...new Set<string>(scopes)];
}

function stemsOf(scope: string): readonly string[] {
  return Array.from(scope.matchAll(/:/g), ({ index }) => scope.slice(0, index + 1));
}
