import { Injectable } from '@nestjs/common';
import { isScope, isWildcard } from '../common/scope-grammar.js';
import { SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';

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

  constructor(@InjectSigraConfig() config: SigraConfig) {
    this.registered = new Set([...BUILT_IN, ...(config.jwt ? BUILT_IN_WITH_JWT : []), ...config.apiTokens.scopes]);
    this.all = Object.freeze([...this.registered]);
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

  private canBeGranted(scope: string): boolean {
    if (scope === '*') return true;
    if (!isWildcard(scope)) return this.registered.has(scope);
    const stem = scope.slice(0, -1);
    return this.all.some((registered) => registered.startsWith(stem));
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
  if (!scopes.every(isScope)) {
    throw new SigraError(
      'invalid_scope_format',
      'A scope consists of lower-case segments joined by ":", for example "read:projects".',
    );
  }
  return [...new Set(scopes)];
}
