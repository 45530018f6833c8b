const COMMA = 0x2c;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Reads the text form of a row (`(a,"b c",)`) or of an array (`{a,"b c"}`) of PostgreSQL: the texts of its elements. In a row,
 * an element without text is null.
 */
export function elementsOf(text: string): (string | null)[] {
  const elements: (string | null)[] = [];
  const end = text.length - 1;
  if (end === 1) return elements;
  for (let start = 1; ; start++) {
    let stop: number;
    const first = text.charCodeAt(start);
    if (first === COMMA) {
      // Many columns of most rows.
      stop = start;
      elements.push(null);
    } else if (first === QUOTE) {
      stop = closingQuote(text, start) + 1;
      elements.push(unescaped(text.slice(start + 1, stop - 1)));
    } else {
      stop = text.indexOf(',', start);
      if (stop === -1) stop = end;
      elements.push(stop === start ? null : text.slice(start, stop));
    }
    if (stop >= end) return elements;
    start = stop;
  }
}

/** Inside, a quote is doubled in a row, and follows a backslash in an array. A backslash is doubled in both. */
function closingQuote(text: string, opening: number): number {
  // The native search is faster than a loop over the characters.
  let at = text.indexOf('"', opening + 1);
  while (at !== -1) {
    if (!isEscaped(text, at)) {
      if (text.charCodeAt(at + 1) !== QUOTE) return at;
      at++;
    }
    at = text.indexOf('"', at + 1);
  }
  throw new Error('sigra: the text of a row has no closing quote');
}

function isEscaped(text: string, at: number): boolean {
  let first = at;
  while (text.charCodeAt(first - 1) === BACKSLASH) first--;
  return (at - first) % 2 === 1;
}

function unescaped(text: string): string {
  return text.includes('"') || text.includes('\\') ? text.replace(/["\\](.)/gs, '$1') : text;
}
