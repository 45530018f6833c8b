import { detached } from './detached-text.js';

const MAX_REMEMBERED = 5000;
/** In characters. A client chooses what a proxy forwards as its address. */
const MAX_LENGTH = 64;

/**
 * Remembers up to 5,000 results of a function that depends on nothing but a string of at most 64 characters. When there are
 * more, it forgets all, so it is for what costs only microseconds. Longer strings, and those without a result, are computed
 * each time.
 */
export function remembered<T>(compute: (text: string) => T | undefined): (text: string) => T | undefined {
  const results = new Map<string, T>();
  return (text) => {
    const known = results.get(text);
    if (known !== undefined) return known;
    const result = compute(text);
    if (result === undefined || text.length > MAX_LENGTH) return result;
    if (results.size >= MAX_REMEMBERED) results.clear();
    results.set(detached(text), result);
    return result;
  };
}
