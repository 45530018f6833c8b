import { Injectable } from '@nestjs/common';
import { SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { isScope, isWildcard } from '../common/scope-grammar.js';

/** Scopes that every application has: Sigra's own resources and the user's profile. */
const BUILT_IN = [
  'profile:read',
  'profile:write',
  'sessions:read',
  'sessions:write',
  'api_tokens:read',
  'api_tokens:write',
] as const;

/** Scopes of the OAuth endpoints, which only applications with JWTs have. */
const BUILT_IN_WITH_JWT = ['oauth:introspect'] as const;

/** Unregistered scopes that a refusal names; a request can have thousands. */
const MAX_NAMED = 5;

/** The scopes that a credential of this application can be given. */
@Injectable()
export class ScopeRegistry {
  readonly all: readonly string[];
  private readonly registered: ReadonlySet<string>;

  constructor(@InjectSigraConfig() config: SigraConfig) {
    this.registered = new Set([...BUILT_IN, ...(config.jwt ? BUILT_IN_WITH_JWT : []), ...config.apiTokens.scopes]);
    this.all = Object.freeze([...this.registered]);
  }

  /**
   * The scopes of a grant, checked and without repetition.
   *
   * @throws SigraError `scopes_required`, `invalid_scope_format`, `unregistered_scopes`
   */
  parseGrant(scopes: unknown): readonly string[] {
    if (!Array.isArray(scopes) || scopes.length === 0) {
      throw new SigraError('scopes_required', 'Give at least one scope.');
    }
    if (!scopes.every(isScope)) {
      throw new SigraError(
        'invalid_scope_format',
        'A scope is lower-case segments joined by ":", for example "read:projects".',
      );
    }
    const grant = [...new Set(scopes)];
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
