import { describe, expect, it } from '@jest/globals';
import { isOverdue } from './overdue.js';

const at = (text: string) => new Date(text);

describe('isOverdue', () => {
  it.each<[string, string | false, string, string, boolean]>([
    ['after two nightly runs', '0 3 * * *', '2030-01-01T00:00', '2030-01-02T03:01', true],
    ['after one nightly run', '0 3 * * *', '2030-01-01T00:00', '2030-01-02T02:59', false],
    ['when a run came within the hour after the expiry', '0 3 * * *', '2030-01-01T02:30', '2030-01-02T03:01', false],
    ['over a weekend without runs', '0 3 * * 1-5', '2030-01-04T03:00', '2030-01-07T03:30', false],
    ['after the weekend', '0 3 * * 1-5', '2030-01-04T03:00', '2030-01-08T03:01', true],
    ['every five minutes', '*/5 * * * *', '2030-01-01T00:00', '2030-01-01T01:11', true],
    ['every five minutes, within the hour', '*/5 * * * *', '2030-01-01T00:00', '2030-01-01T01:09', false],
    ['two days without a schedule', false, '2030-01-01T00:00', '2030-01-03T01:00', true],
    ['within two days without a schedule', false, '2030-01-01T00:00', '2030-01-03T00:59', false],
    ['for a token from 1970', '0 3 * * *', '1970-01-01T00:00', '2030-01-01T00:00', true],
    ['with a schedule of leap years', '0 3 29 2 *', '2029-01-01T00:00', '2030-01-01T00:00', false],
  ])('%s', (_name, schedule, expiry, now, expected) => {
    expect(isOverdue(schedule, at(expiry), at(now))).toBe(expected);
  });

  it.each([
    ['2030-01-09T03:01', true],
    ['2030-01-09T02:59', false],
  ])('allows for tokens that are kept for a week, at %s', (now, expected) => {
    expect(isOverdue('0 3 * * *', at('2030-01-01T00:00'), at(now), 7 * 86_400)).toBe(expected);
  });
});
