import { MAX_SCOPES } from '../common/scope-grammar.js';

/** An object with scopes, such as an API token or a principal. */
export interface ScopeHolder {
  readonly scopes: readonly string[];
}

/** The options of `can`. */
export interface CanOptions {
  /** Whether all scopes are required, or one of them is enough. @default 'all' */
  match?: 'all' | 'any';
  /**
   * Whether a scope with a `write` segment also grants the same scope with `read`. @default false; for a principal from
   * a guard, the application's `apiTokens.writeImpliesRead`
   */
  writeImpliesRead?: boolean;
}

/**
 * Whether `holder` holds the scopes.
 *
 * `*` grants every scope, and `projects:*` every scope that begins with `projects:`. Returns false for a holder without
 * scopes, and for an empty list with `match: 'any'`.
 *
 * @throws TypeError for more than 256 scopes
 *
 * @example
 * can({ scopes: ['projects:*'] }, ['projects:read']); // true
 * can({ scopes: ['projects:read'] }, ['projects:read', 'admin'], { match: 'any' }); // true
 */
export function can(holder: ScopeHolder, scopes: readonly string[], options: CanOptions = {}): boolean {
  if (scopes.length > MAX_SCOPES) throw new TypeError(`sigra: can() compares at most ${MAX_SCOPES} scopes`);
  return holds(holder.scopes, scopes, options.match ?? 'all', options.writeImpliesRead ?? hasImpliedRead(holder));
}

/** Like `can`, without an options object, which guards would allocate for each request. */
export function holds(
  granted: readonly string[],
  scopes: readonly string[],
  match: 'all' | 'any',
  writeImpliesRead: boolean,
): boolean {
  if (granted.length === 0) return false;
  const isGranted = (scope: string) => grants(granted, scope, writeImpliesRead);
  return match === 'any' ? scopes.some(isGranted) : scopes.every(isGranted);
}

/** The `scopes` that `granted` does not cover, in their order. */
export function missingScopes(
  granted: readonly string[],
  scopes: readonly string[],
  writeImpliesRead: boolean,
): readonly string[] {
  return scopes.filter((scope) => !grants(granted, scope, writeImpliesRead));
}

/**
 * The scopes that both grant, in the order of `granted`. A wildcard of one side becomes the scopes of the other that it
 * covers.
 */
export function commonScopes(
  granted: readonly string[],
  ceiling: readonly string[],
  writeImpliesRead: boolean,
): readonly string[] {
  const kept = granted.filter((scope) => grants(ceiling, scope, writeImpliesRead));
  if (kept.length === granted.length) return granted;
  const narrowed = ceiling.filter((scope) => grants(granted, scope, writeImpliesRead));
  return [...new Set([...kept, ...narrowed])];
}

const IMPLIED_READ = Symbol('sigra.impliedRead');

/**
 * Marks a principal when `writeImpliesRead` is set, so that functions without the configuration can apply it. The mark is
 * invisible to JSON, spread and comparison.
 *
 * @returns the holder itself if it has the right mark, otherwise a copy: the application can share its own object between
 * guards with different settings
 */
export function withImpliedRead<T extends ScopeHolder>(holder: T, writeImpliesRead: boolean): T {
  if (hasImpliedRead(holder) === writeImpliesRead) return holder;
  const copy = { ...holder };
  return writeImpliesRead ? Object.defineProperty(copy, IMPLIED_READ, { value: true }) : copy;
}

/** Whether `withImpliedRead` has marked a principal. */
export function hasImpliedRead(holder: ScopeHolder): boolean {
  return (holder as { readonly [IMPLIED_READ]?: true })[IMPLIED_READ] === true;
}

function grants(granted: readonly string[], scope: string, writeImpliesRead: boolean): boolean {
  for (const grant of granted) {
    if (covers(grant, scope)) return true;
  }
  return writeImpliesRead && hasReadSegment(scope) && grants(granted, withWriteSegment(scope), false);
}

function covers(grant: string, scope: string): boolean {
  if (grant === scope || grant === '*') return true;
  return grant.endsWith(':*') && scope.startsWith(grant.slice(0, -1));
}

const READ_SEGMENT = /(^|:)read(?=:|$)/g;

function hasReadSegment(scope: string): boolean {
  return scope.includes('read') && scope.split(':').includes('read');
}

function withWriteSegment(scope: string): string {
  return scope.replace(READ_SEGMENT, '$1write');
}
