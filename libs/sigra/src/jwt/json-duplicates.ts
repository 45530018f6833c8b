/**
 * Whether valid JSON has an object with the same key twice. `JSON.parse` silently uses the last one, and an attacker can
 * exploit two parsers that disagree (RFC 7519 section 4, RFC 8725 section 2.4).
 */
export function hasDuplicateKeys(json: string): boolean {
  const open: (Set<string> | undefined)[] = [];
  let index = 0;
  while (index < json.length) {
    const char = json[index];
    if (char === '"') {
      const end = endOfString(json, index);
      const keys = open.at(-1);
      if (keys && isKey(json, end)) {
        const key = JSON.parse(json.slice(index, end)) as string;
        if (keys.has(key)) return true;
        keys.add(key);
      }
      index = end;
      continue;
    }
    if (char === '{') open.push(new Set());
    else if (char === '[') open.push(undefined);
    else if (char === '}' || char === ']') open.pop();
    index++;
  }
  return false;
}

/** The index after the closing quote of the string that begins at `start`. */
function endOfString(json: string, start: number): number {
  let index = start + 1;
  while (index < json.length && json[index] !== '"') index += json[index] === '\\' ? 2 : 1;
  return index + 1;
}

function isKey(json: string, afterString: number): boolean {
  let index = afterString;
  while (' \t\n\r'.includes(json[index] ?? '.')) index++;
  return json[index] === ':';
}
