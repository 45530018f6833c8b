/** The most levels of objects and arrays. PostgreSQL and `JSON.stringify` fail at a depth that depends on their stack. */
export const MAX_JSON_DEPTH = 32;

/**
 * Like `JSON.stringify`, for at most `maxLength` characters and 32 levels. The rest of a larger value is not read: a few
 * objects that share others can stand for gigabytes of JSON.
 *
 * @returns undefined for a value without a JSON form
 * @throws RangeError for a larger value; also the errors of `JSON.stringify`
 */
export function stringifyWithin(value: unknown, maxLength: number): string | undefined {
  let left = maxLength;
  /** The objects that contain the member, from the outermost on. */
  const path: unknown[] = [];
  const measure = function (this: unknown, name: string, member: unknown): unknown {
    // Never more than the JSON has, so that only a value that is too large is refused here.
    left -= 1 + (Array.isArray(this) ? 0 : name.length) + (typeof member === 'string' ? member.length : 0);
    if (left < 0) throw tooLong(maxLength);
    if (typeof member !== 'object' || member === null) return member;
    // A member and a comma each. A sparse array has no members to count.
    if (Array.isArray(member) && 2 * member.length > left + 2) throw tooLong(maxLength);
    while (path.length > 0 && path.at(-1) !== this) path.pop();
    if (path.push(member) > MAX_JSON_DEPTH) throw new RangeError(`JSON with more than ${MAX_JSON_DEPTH} levels`);
    return member;
  };
  // The declared type does not have undefined.
  const json = JSON.stringify(value, measure) as string | undefined;
  // Escapes can take up to six characters.
  if (json !== undefined && json.length > maxLength) throw tooLong(maxLength);
  return json;
}

function tooLong(maxLength: number): RangeError {
  return new RangeError(`JSON of more than ${maxLength} characters`);
}
