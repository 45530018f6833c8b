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
    if (text.charCodeAt(start) === QUOTE) {
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

/** Inside, a quote is doubled in a row, and follows a backslash in an array. */
function closingQuote(text: string, opening: number): number {
  for (let at = opening + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH || (code === QUOTE && text.charCodeAt(at + 1) === QUOTE)) at++;
    else if (code === QUOTE) return at;
  }
  throw new Error('sigra: the text of a row has no closing quote');
}

function unescaped(text: string): string {
  return text.includes('"') || text.includes('\\') ? text.replace(/["\\](.)/gs, '$1') : text;
}
