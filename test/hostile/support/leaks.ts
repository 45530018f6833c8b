/** Shorter parts of a secret may be there by chance, and the first four characters are the hint on purpose. */
const WINDOW = 10;

/** Those of `texts` in which a raw token stands, or any ten characters of its secret part, in whatever case. */
export function leaksOf(rawTokens: readonly string[], texts: readonly string[]): string[] {
  const parts = new Set<string>();
  for (const rawToken of rawTokens) {
    const secret = rawToken.slice('sigra_sk_'.length).toLowerCase();
    for (let start = 0; start + WINDOW <= secret.length; start++) parts.add(secret.slice(start, start + WINDOW));
  }
  return texts.filter((text) => hasPart(text.toLowerCase(), parts));
}

function hasPart(text: string, parts: ReadonlySet<string>): boolean {
  for (let start = 0; start + WINDOW <= text.length; start++) {
    if (parts.has(text.slice(start, start + WINDOW))) return true;
  }
  return false;
}
