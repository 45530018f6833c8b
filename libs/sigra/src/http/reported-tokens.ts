import { storablePart } from '../common/storable-text.js';
import type { LeakPlace, LeakReport } from '../config/sigra-options.js';

const MAX_URL_LENGTH = 2048;
const MAX_NAME_LENGTH = 255;
const REPLACEMENT = '[token]';
/** A position where no token begins with these characters is passed at once. */
const BEGINNING = 4;

/** The raw tokens of a report, which must not stand in what is kept of it. */
export class ReportedTokens {
  private readonly tokens: ReadonlySet<string>;
  private readonly beginnings: ReadonlySet<string>;
  /** Longest first: a token can begin with another one. */
  private readonly lengths: readonly number[];

  constructor(tokens: Iterable<string>) {
    this.tokens = new Set([...tokens].filter((token) => token.length >= BEGINNING));
    this.beginnings = new Set([...this.tokens].map((token) => token.slice(0, BEGINNING)));
    this.lengths = [...new Set([...this.tokens].map(({ length }) => length))].sort((one, other) => other - one);
  }

  /** The report to keep: without any of the tokens, also where a URL has them in percent encoding, and in texts that fit. */
  redact({ type, places }: LeakReport): LeakReport {
    return {
      type: this.kept(type, MAX_NAME_LENGTH),
      places: places.map(({ url, source }): LeakPlace => ({
        url: this.kept(url, MAX_URL_LENGTH),
        source: this.kept(source, MAX_NAME_LENGTH),
      })),
    };
  }

  /** Cut at the end: the rest of a token that was cut before would not be recognized. */
  private kept(text: string | null, max: number): string | null {
    if (text === null) return null;
    const decoded = decode(text);
    const redacted = this.replace(decoded);
    return storablePart(redacted === decoded ? text : redacted, max);
  }

  private replace(text: string): string {
    let replaced = '';
    let kept = 0;
    for (let at = 0; at + BEGINNING <= text.length; at++) {
      if (!this.beginnings.has(text.slice(at, at + BEGINNING))) continue;
      const length = this.lengths.find((each) => this.tokens.has(text.slice(at, at + each)));
      if (length === undefined) continue;
      replaced += text.slice(kept, at) + REPLACEMENT;
      kept = at + length;
      at = kept - 1;
    }
    return replaced + text.slice(kept);
  }
}

/** Invalid UTF-8 stays encoded. */
function decode(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (encoded) => {
    try {
      return decodeURIComponent(encoded);
    } catch {
      return encoded;
    }
  });
}
