import { parseArgs } from 'node:util';
import { UsageError } from './usage-error.js';

/** An option of a command. */
export interface OptionSpec {
  readonly description: string;
  /** The name of its value in the help. @default a flag without a value */
  readonly value?: string;
  /** The values that it accepts. @default any */
  readonly choices?: readonly string[];
  /** Whether it can be repeated. @default false */
  readonly multiple?: boolean;
  /** Its short form: one letter. @default none */
  readonly short?: string;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

/** The arguments of a command. */
export class Arguments {
  private constructor(
    private readonly values: Readonly<Record<string, unknown>>,
    /** The value behind the command, such as an id; empty for a command without one. */
    readonly operand: string,
  ) {}

  /**
   * @param operand the name of the value behind the command; undefined for a command without one
   * @throws UsageError
   */
  static parse(argv: readonly string[], specs: OptionSpecs, operand: string | undefined): Arguments {
    const { values, positionals } = parse(argv, specs);
    const expected = operand === undefined ? 0 : 1;
    if (values.help !== true) {
      // Not its text: it can be a token.
      if (positionals.length > expected) throw new UsageError('Too many arguments.');
      if (positionals.length < expected) throw new UsageError(`${operand ?? ''} is missing.`);
    }
    for (const [name, { choices }] of Object.entries(specs)) {
      const given = [values[name] ?? []].flat() as string[];
      const wrong = choices && given.find((value) => !choices.includes(value));
      if (wrong !== undefined) throw new UsageError(`--${name} is one of ${choices?.join(', ') ?? ''}.`);
    }
    return new Arguments(values, positionals[0] ?? '');
  }

  /** Whether a flag is set. */
  has(name: string): boolean {
    return this.values[name] === true;
  }

  text(name: string): string | undefined {
    return this.values[name] as string | undefined;
  }

  /** @throws UsageError when it is missing */
  required(name: string): string {
    const value = this.text(name);
    if (value === undefined) throw new UsageError(`--${name} is missing.`);
    return value;
  }

  /** The values of an option that can be repeated; undefined without any. */
  texts(name: string): readonly string[] | undefined {
    return this.values[name] as readonly string[] | undefined;
  }

  /** @throws UsageError for anything but a positive integer */
  integer(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (!/^[1-9]\d{0,8}$/.test(value)) throw new UsageError(`--${name} is a positive integer.`);
    return Number(value);
  }

  /** @throws UsageError for anything but a time of ISO 8601 */
  date(name: string): Date | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const date = new Date(/^\d{4}-\d\d-\d\d/.test(value) ? value : Number.NaN);
    if (Number.isNaN(date.getTime())) throw new UsageError(`--${name} is a time such as 2030-01-31T12:00:00Z.`);
    return date;
  }

  /** A duration such as `90d`, in seconds. @throws UsageError for anything else */
  seconds(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(value) ?? [];
    if (count === undefined) throw new UsageError(`--${name} is a duration such as 30s, 15m, 12h or 90d.`);
    return Number(count) * SECONDS[unit as keyof typeof SECONDS];
  }
}

function parse(argv: readonly string[], specs: OptionSpecs) {
  const options = Object.fromEntries(
    Object.entries(specs).map(([name, { value, multiple = false, short }]) => {
      const type = value === undefined ? ('boolean' as const) : ('string' as const);
      return [name, { type, multiple, ...(short !== undefined && { short }) }];
    }),
  );
  try {
    return parseArgs({ args: [...argv], allowPositionals: true, options });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
