import { describe, expect, it } from '@jest/globals';
import { Clock } from 'nestjs-sigra';
import { type Duration, FakeClock } from 'nestjs-sigra/testing';

const START = new Date('2030-01-01T00:00:00.000Z');

describe('FakeClock', () => {
  it('stands still until it is moved', () => {
    const clock = new FakeClock(START);

    clock.now().setFullYear(1999);

    expect(clock).toBeInstanceOf(Clock);
    expect(clock.now()).toEqual(START);
  });

  it('starts at the current time by default', () => {
    const before = Date.now();

    const now = new FakeClock().now().getTime();

    expect(now).toBeGreaterThanOrEqual(before);
    expect(now).toBeLessThanOrEqual(Date.now());
  });

  it('adds up the parts of a duration', () => {
    const clock = new FakeClock(START);

    clock.advance({ days: 1, hours: 2, minutes: 3, seconds: 4, milliseconds: 5 });
    clock.advance({});

    expect(clock.now()).toEqual(new Date('2030-01-02T02:03:04.005Z'));
  });

  it('can be set to any time, also an earlier one', () => {
    const clock = new FakeClock(START);

    clock.set(new Date(0));

    expect(clock.now()).toEqual(new Date(0));
  });

  it.each<Duration>([{ seconds: -1 }, { days: NaN }, { hours: Infinity }, { days: 2, minutes: -1 }, { days: 1e12 }])(
    'rejects an advance by %p',
    (duration) => {
      const clock = new FakeClock(START);

      expect(() => clock.advance(duration)).toThrow(RangeError);
      expect(clock.now()).toEqual(START);
    },
  );

  it('names the invalid part', () => {
    expect(() => new FakeClock(START).advance({ minutes: -5 })).toThrow('not -5 minutes');
    expect(() => new FakeClock(START).advance({ days: NaN })).toThrow('not NaN days');
  });

  it('rejects an invalid date', () => {
    const clock = new FakeClock(START);

    expect(() => clock.set(new Date(NaN))).toThrow(RangeError);
    expect(() => new FakeClock(new Date('yesterday'))).toThrow(RangeError);
    expect(clock.now()).toEqual(START);
  });
});
