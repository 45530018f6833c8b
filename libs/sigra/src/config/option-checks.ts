import { SigraConfigError } from './sigra-config-error.js';

/** Bounds of a length of time: up to a hundred years. */
export const SECONDS = { min: 1, max: 3_155_760_000, unit: 'seconds' };
export const SECONDS_OR_ZERO = { ...SECONDS, min: 0 };

type Options = Readonly<Record<string, unknown>>;

/** The options object at `path`, with nothing in it but `known` keys; absent counts as empty. */
export function section(path: string, value: unknown, known: readonly string[]): Options {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    // Never the text itself: somebody may have put a secret where its options belong.
    throw new SigraConfigError(
      path,
      `must be an object, not ${typeof value === 'string' ? 'a string' : describe(value)}`,
    );
  }
  for (const [key, option] of Object.entries(value)) {
    const name = path === 'options' ? key : `${path}.${key}`;
    if (!known.includes(key)) throw new SigraConfigError(name, `is not an option; known are: ${known.join(', ')}`);
    // Or a setting that was looked up in vain would silently become the default.
    if (option === null) throw new SigraConfigError(name, 'must not be null; leave it out for its default');
  }
  return value as Options;
}

export function flag(path: string, value: unknown, fallback: boolean): boolean {
  if (value === undefined) return fallback;
  if (typeof value !== 'boolean') throw new SigraConfigError(path, `must be true or false, not ${describe(value)}`);
  return value;
}

/** A whole number. A numeric string is refused: what an environment variable means must be decided by the host. */
export function wholeNumber(path: string, value: unknown, bounds: { min: number; max: number; unit: string }): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < bounds.min || value > bounds.max) {
    const hint = typeof value === 'string' ? '; convert it with Number()' : '';
    throw new SigraConfigError(
      path,
      `must be a whole number of ${bounds.unit} from ${bounds.min} to ${bounds.max}, not ${describe(value)}${hint}`,
    );
  }
  return value;
}

export function strings(path: string, value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'string')) {
    throw new SigraConfigError(path, `must be an array of strings, not ${describe(value)}`);
  }
  return value as readonly string[];
}

export function describe(value: unknown): string {
  if (typeof value === 'string') return `the string ${JSON.stringify(value)}`;
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'function') return 'a function';
  return value === null || typeof value !== 'object' ? String(value) : 'an object';
}
