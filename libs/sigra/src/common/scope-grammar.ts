/** Lower-case segments joined by `:`, in characters that RFC 6749 section 3.3 allows; `*` alone or as the last segment. */
const SCOPE = /^(?:\*|[a-z0-9][a-z0-9_.-]*(?::[a-z0-9][a-z0-9_.-]*)*(?::\*)?)$/;
const MAX_LENGTH = 255;

/** Whether a value is a scope: `*`, or at most 255 characters such as `read:projects` or `projects:*`. */
export function isScope(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_LENGTH && SCOPE.test(value);
}

/** Whether a scope is `*` or ends in `:*`. */
export function isWildcard(scope: string): boolean {
  return scope.endsWith('*');
}
