/** Lower-case segments joined by `:`, in characters that RFC 6749 section 3.3 allows; `*` alone or as the last segment. */
const SCOPE = /^(?:\*|[a-z0-9][a-z0-9_.-]*(?::[a-z0-9][a-z0-9_.-]*)*(?::\*)?)$/;
const MAX_LENGTH = 255;

/** The most scopes of a list. Comparing two lists takes the product of their lengths. */
export const MAX_SCOPES = 256;

/** The most characters of a list, joined by spaces: as many as fit into an access token and into a header. */
export const MAX_SCOPES_LENGTH = 4096;

/** What `isScopeList` demands, for the message of a refusal. */
export const SCOPE_RULE =
  'A scope consists of lower-case segments joined by ":", for example "read:projects". ' +
  `A list has at most ${MAX_SCOPES} scopes and ${MAX_SCOPES_LENGTH} characters.`;

/** Whether a value is a scope: `*`, or at most 255 characters such as `read:projects` or `projects:*`. */
export function isScope(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_LENGTH && SCOPE.test(value);
}

/**
 * Whether a value is a list of scopes: an array with at most 256 of them and at most 4,096 characters, joined by spaces. The
 * elements of a longer array are not read.
 */
export function isScopeList(value: unknown): value is readonly string[] {
  if (!Array.isArray(value) || value.length > MAX_SCOPES) return false;
  let length = 0;
  // A loop, because `every` skips the holes of a sparse array.
  for (const scope of value as unknown[]) {
    if (!isScope(scope)) return false;
    length += scope.length + 1;
  }
  return length <= MAX_SCOPES_LENGTH + 1;
}

/** Whether a scope is `*` or ends in `:*`. */
export function isWildcard(scope: string): boolean {
  return scope.endsWith('*');
}
