import { describe, expect, it } from '@jest/globals';
import { refuse, SigraError, withoutStack } from './sigra-error.js';

describe('SigraError', () => {
  it('excludes its cause from its message and its JSON', () => {
    const cause = new Error('connection to 10.0.0.1 refused');

    const error = new SigraError('unavailable', 'The database did not answer.', { cause });

    expect(error).toMatchObject({ name: 'SigraError', code: 'unavailable', message: 'The database did not answer.' });
    expect(error.cause).toBe(cause);
    expect(JSON.stringify(error)).toBe('{"code":"unavailable","name":"SigraError"}');
  });

  it('has a cause and a refusal only if they are given', () => {
    const error = new SigraError('not_found', 'There is no such token.');

    expect(Object.hasOwn(error, 'cause')).toBe(false);
    expect(Object.hasOwn(error, 'refusal')).toBe(false);
  });
});

describe('refuse', () => {
  it('returns a SigraError without a stack trace', () => {
    const error = refuse('invalid_token', 'The token is unknown.');

    expect(error).toBeInstanceOf(SigraError);
    expect(error.stack).not.toContain('\n');
  });
});

describe('withoutStack', () => {
  it('restores the stack trace limit, even after a throw', () => {
    const before = Error.stackTraceLimit;

    expect(() =>
      withoutStack(() => {
        throw new Error('failure');
      }),
    ).toThrow('failure');

    expect(Error.stackTraceLimit).toBe(before);
  });
});
