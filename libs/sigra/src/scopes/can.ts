/** Anything that carries scopes: an API token, a principal. */
export interface ScopeHolder {
  readonly scopes: readonly string[];
}

/** How scopes are held against each other. */
export interface CanOptions {
  /** Whether all scopes are needed, or one of them is enough. @default 'all' */
  match?: 'all' | 'any';
  /** Whether a `write` segment also grants the same scope with `read`. @default false */
  writeImpliesRead?: boolean;
}

/**
 * Whether `holder` has what `scopes` ask for.
 *
 * `*` grants everything, `projects:*` every scope that begins with `projects:`. A holder without scopes can nothing, and
 * nothing is granted by `match: 'any'` over an empty list.
 *
 * @example
 * can({ scopes: ['projects:*'] }, ['projects:read']); // true
 * can({ scopes: ['projects:read'] }, ['projects:read', 'admin'], { match: 'any' }); // true
 */
export function can(holder: ScopeHolder, scopes: readonly string[], options: CanOptions = {}): boolean {
  return holds(holder.scopes, scopes, options.match ?? 'all', options.writeImpliesRead ?? false);
}

/** What `can` says, without options to be made for each request. */
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

/** Those of `scopes` that `granted` does not cover, in their order. */
export function missingScopes(
  granted: readonly string[],
  scopes: readonly string[],
  writeImpliesRead: boolean,
): readonly string[] {
  return scopes.filter((scope) => !grants(granted, scope, writeImpliesRead));
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
