import { Injectable } from '@nestjs/common';
import { BUILT_IN_SCOPES, BUILT_IN_SCOPES_WITH_ADMIN, BUILT_IN_SCOPES_WITH_JWT } from '../config/built-in-scopes.js';
import { isScopeList, isWildcard, SCOPE_RULE } from '../common/scope-grammar.js';
import type { ScopeRules } from '../common/scope-rules.js';
import { SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { ScopeOptions } from '../config/sigra-options.js';
import { assertCovers } from './assert-scopes.js';

/** The most unregistered scopes that an error names: a request can have thousands. */
const MAX_NAMED = 5;

/** A scope that a token can get. */
export interface ScopeDetails {
  readonly name: string;
  /** A short text for people. */
  readonly title: string | null;
  readonly description: string | null;
  /** Scopes that it grants as well. */
  readonly implies: readonly string[];
  /** The heading under which a form shows it. */
  readonly group: string | null;
  /** Whether a form should warn before it grants the scope. */
  readonly danger: boolean;
}

/** The scopes that the application's credentials can get. */
@Injectable()
export class ScopeRegistry {
  /** The built-in scopes and then the configured ones, without duplicates. */
  readonly all: readonly string[];
  /** The same with their texts and implications. */
  readonly catalogue: readonly ScopeDetails[];
  private readonly registered: ReadonlySet<string>;
  /** `a:` and `a:b:` for the scope `a:b:c`: a wildcard that begins with one of them covers a scope. */
  private readonly stems: ReadonlySet<string>;

  private readonly rules: ScopeRules;

  constructor(@InjectSigraConfig() config: SigraConfig) {
    const { rules, scopes } = config.apiTokens;
    this.rules = rules;
    const builtIn: readonly ScopeOptions[] = [
      ...BUILT_IN_SCOPES,
      ...(config.admin ? BUILT_IN_SCOPES_WITH_ADMIN : []),
      ...(config.jwt ? BUILT_IN_SCOPES_WITH_JWT : []),
    ];
    // The application can describe built-in scopes in its own words.
    const byName = new Map([...builtIn, ...scopes].map((scope) => [scope.name, detailsOf(scope)]));
    this.catalogue = Object.freeze([...byName.values()]);
    this.all = Object.freeze([...byName.keys()]);
    this.registered = new Set(this.all);
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
    assertCovers(granted, requested, this.rules, 'A request can narrow the scopes, but not widen them.');
    const others = requested.filter((scope) => !granted.includes(scope));
    if (others.length > 0) this.parseGrant(others);
    return requested;
  }

  /**
   * The scopes and wildcards that grant a scope: those that the application has, and the wildcards above the scope, which
   * credentials can have from earlier.
   */
  grantorsOf(scope: string): readonly string[] {
    const wildcards = [...this.stems, ...stemsOf(scope)].map((stem) => `${stem}*`);
    const candidates = new Set([scope, '*', ...this.all, ...wildcards]);
    return [...candidates].filter((candidate) => this.rules.grants([candidate], scope));
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

type Described = { readonly [P in keyof ScopeOptions]?: ScopeOptions[P] | undefined } & Pick<ScopeOptions, 'name'>;

function detailsOf({ name, title, description, implies = [], group, danger = false }: Described): ScopeDetails {
  const texts = { title: title ?? null, description: description ?? null, group: group ?? null };
  return Object.freeze({ name, ...texts, implies: Object.freeze([...implies]), danger });
}

function stemsOf(scope: string): readonly string[] {
  return Array.from(scope.matchAll(/:/g), ({ index }) => scope.slice(0, index + 1));
}
