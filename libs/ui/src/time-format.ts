import { build } from './build.js';

const UNITS = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
] as const;

/** Times in the language of the element. */
export class TimeFormat {
  private readonly relative: Intl.RelativeTimeFormat;
  private readonly absolute: Intl.DateTimeFormat;

  constructor(lang: string) {
    this.relative = new Intl.RelativeTimeFormat(lang, { numeric: 'auto' });
    // With the time zone: a person compares it with the log of a server.
    this.absolute = new Intl.DateTimeFormat(lang, {
      year: 'numeric',
      month: 'long',
      day: 'numeric',
      hour: 'numeric',
      minute: '2-digit',
      timeZoneName: 'short',
    });
  }

  exact(at: Date): string {
    return this.absolute.format(at);
  }

  /** A relative time, with the exact one as its title. */
  element(iso: string, now = Date.now()): HTMLTimeElement {
    const at = new Date(iso);
    return build('time', { datetime: iso, title: this.exact(at) }, this.distance((at.getTime() - now) / 1000));
  }

  private distance(seconds: number): string {
    const [unit, length] = UNITS.find(([, each]) => Math.abs(seconds) >= each) ?? (['second', 1] as const);
    // The creation of a moment ago is "now", also if the clock of the server is ahead.
    if (unit === 'second') return this.relative.format(0, 'second');
    return this.relative.format(Math.round(seconds / length), unit);
  }
}
