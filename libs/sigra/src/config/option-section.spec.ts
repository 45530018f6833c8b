import { describe, expect, it } from '@jest/globals';
import { flag, integer, seconds } from './option-kinds.js';
import { optional, required, section, type SpecsOf, switchedSection } from './option-section.js';
import { none } from './option-spec.js';

interface Options {
  limit?: number;
  max?: number;
}

const max = integer({ unit: 'rows', min: 1, max: 100, default: 10 });
const limit = integer({ unit: 'rows', min: 1, max: 'max', default: ({ max }: { max: number }) => max });
const limits = section({ max, limit } satisfies SpecsOf<Options>);

describe('section', () => {
  it('resolves an absent section like an empty one, to a frozen object', () => {
    const [absent, empty] = [limits.resolve('rows', undefined), limits.resolve('rows', {})];

    expect(absent).toEqual({ max: 10, limit: 10 });
    expect(empty).toEqual(absent);
    expect(Object.isFrozen(absent)).toBe(true);
  });

  it('computes bounds and defaults from the options above', () => {
    expect(limits.resolve('rows', { max: 5 })).toEqual({ max: 5, limit: 5 });
    expect(() => limits.resolve('rows', { max: 5, limit: 6 })).toThrow(
      'sigra: rows.limit must be an integer number of rows from 1 to 5, not 6',
    );
  });

  it('resolves to what finish returns, and freezes it', () => {
    const doubled = section({ max }, (options) => ({ twice: 2 * options.max }));

    const resolved = doubled.resolve('rows', {});

    expect(resolved).toEqual({ twice: 20 });
    expect(Object.isFrozen(resolved)).toBe(true);
  });

  it('checks its own default like a value of the host', () => {
    const invalid = section({ ttl: seconds({ min: 1, default: 0 }) });

    expect(() => invalid.resolve('token', {})).toThrow('sigra: token.ttl must be an integer number of seconds from 1');
  });

  it('does not compile when specs and options type have different keys', () => {
    // @ts-expect-error limit has no spec
    section({ max } satisfies SpecsOf<Options>);
    // @ts-expect-error min is not an option
    section({ max, limit, min: max } satisfies SpecsOf<Options>);

    expect(Object.keys(limits.options)).toEqual(['max', 'limit']);
  });

  it('does not compile when an option depends on one of another section', () => {
    // @ts-expect-error max is not in this section
    const alone = section({ limit });

    expect(() => alone.resolve('rows', { limit: 1 })).toThrow('sigra: rows.limit');
  });
});

describe('switchedSection', () => {
  const switched = switchedSection({ ttl: seconds({ min: 1, default: none }) }, (options) => options);

  it.each([undefined, {}, { enabled: false, ttl: 'invalid' }])('is undefined for %j', (options) => {
    expect(switched.resolve('jwt', options)).toBeUndefined();
  });

  it('resolves without its flag when it is enabled', () => {
    expect(switched.resolve('jwt', { enabled: true, ttl: 60 })).toEqual({ ttl: 60 });
    expect(() => switched.resolve('jwt', { enabled: true, ttl: 'invalid' })).toThrow('sigra: jwt.ttl must be');
  });

  it('refuses unknown options also when it is disabled', () => {
    expect(() => switched.resolve('jwt', { enable: true })).toThrow(
      'sigra: jwt.enable is not an option; known are: enabled, ttl',
    );
  });
});

describe('optional and required', () => {
  const audit = section({ enabled: flag({ default: true }) });

  it('resolve a given section', () => {
    expect(optional(audit).resolve('audit', {})).toEqual({ enabled: true });
    expect(required(audit, 'give it').resolve('audit', {})).toEqual({ enabled: true });
  });

  it('resolve an absent section to undefined, or to an error with the remedy', () => {
    expect(optional(audit).resolve('audit', undefined)).toBeUndefined();
    expect(() => required(audit, 'give it').resolve('audit', undefined)).toThrow('sigra: audit is missing; give it');
  });
});
