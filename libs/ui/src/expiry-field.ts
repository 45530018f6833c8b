import { build } from './build.js';
import { Field } from './field.js';
import type { Kind } from './token.js';
import type { ViewContext } from './view-context.js';

const DAY = 86_400;
const PRESETS = [7, 30, 90, 365] as const;
const USUAL = 30;
/** Browsers allow years of six digits, which no API does. */
const LAST_DAY = '9999-12-31';
/** A clock that is ahead must not ask for more than the application allows. In seconds. */
const MARGIN = 60;

/** When a token expires: after a number of days, at the end of a day, or never. */
export class ExpiryField {
  readonly element: HTMLElement;
  readonly preset: Field<HTMLSelectElement>;
  readonly day: Field<HTMLInputElement>;
  private readonly summary = build('p', { part: 'hint', 'aria-live': 'polite' });
  private longest: number | null = null;

  constructor(private readonly context: ViewContext) {
    const { say } = context;
    this.preset = new Field(build('select'), 'expiry', say('expiry'));
    this.day = new Field(
      build('input', { type: 'date', min: dayOf(new Date()), max: LAST_DAY }),
      'last-day',
      say('lastDay'),
    );
    const update = () => this.update();
    this.element = build(
      'div',
      { part: 'expiry', onchange: update },
      this.preset.element,
      this.day.element,
      this.summary,
    );
  }

  /** The field that an error of the API belongs to. */
  get visible(): Field {
    return this.isCustom ? this.day : this.preset;
  }

  /** Offers what a kind allows. */
  offer({ requireExpiry, maxTtl }: Kind): void {
    const { say } = this.context;
    const { control } = this.preset;
    const chosen = control.value;
    this.longest = maxTtl;
    this.day.control.max = maxTtl === null ? LAST_DAY : dayOf(this.latest);
    const days = PRESETS.filter((each) => maxTtl === null || each * DAY <= maxTtl);
    const choices = [
      ...days.map((count) => [String(count * DAY), count === 365 ? say('inAYear') : say('inDays', { count })] as const),
      ...(maxTtl !== null && !days.some((each) => each * DAY === maxTtl)
        ? [[String(maxTtl), say('longest')] as const]
        : []),
      ...(requireExpiry || maxTtl !== null ? [] : [['never', say('never')] as const]),
      ['custom', say('customDay')] as const,
    ];
    control.replaceChildren(...choices.map(([value, label]) => build('option', { value }, label)));
    const wanted = [chosen, String(USUAL * DAY)].find((value) => choices.some(([each]) => each === value));
    if (wanted !== undefined) control.value = wanted;
    this.update();
  }

  check(): void {
    if (!this.isCustom) return;
    const { say } = this.context;
    const end = this.endOfDay;
    if (!end) this.day.fail(say('lastDayRequired'));
    else if (end.getTime() <= Date.now()) this.day.fail(say('lastDayPast'));
  }

  /** Null for never. */
  get expiresAt(): Date | null {
    const { value } = this.preset.control;
    if (value === 'never') return null;
    if (this.isCustom) return this.endOfDay ?? null;
    return earlier(new Date(Date.now() + Number(value) * 1000), this.latest);
  }

  /** The last moment that the kind allows. */
  private get latest(): Date {
    return this.longest === null ? new Date(LAST_DAY) : new Date(Date.now() + (this.longest - MARGIN) * 1000);
  }

  private get isCustom(): boolean {
    return this.preset.control.value === 'custom';
  }

  /** The last moment of the day, where the reader is; on the last day, the last moment that is allowed. */
  private get endOfDay(): Date | undefined {
    const { value, max } = this.day.control;
    const end = new Date(`${value}T23:59:59.999`);
    if (Number.isNaN(end.getTime())) return undefined;
    return value === max ? earlier(end, this.latest) : end;
  }

  private update(): void {
    const { say, times } = this.context;
    this.day.element.hidden = !this.isCustom;
    const at = this.expiresAt;
    const isNever = this.preset.control.value === 'never';
    this.summary.textContent = at ? say('stopsOn', { time: times.exact(at) }) : isNever ? say('neverExpires') : '';
  }
}

function earlier(one: Date, other: Date): Date {
  return one < other ? one : other;
}

function dayOf(date: Date): string {
  const two = (part: number) => String(part).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
