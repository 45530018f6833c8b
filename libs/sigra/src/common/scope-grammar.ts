/** Lower-case segments joined by `:`, all of them characters of RFC 6749 section 3.3; `*` alone, or as last segment. */
const SCOPE = /^(?:\*|[a-z0-9][a-z0-9_.-]*(?::[a-z0-9][a-z0-9_.-]*)*(?::\*)?)$/;
const MAX_LENGTH = 255;

export function isScope(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_LENGTH && SCOPE.test(value);
}

export function isWildcard(scope: string): boolean {
  return scope.endsWith('*');
}
