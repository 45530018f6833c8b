import { describe, expect, it } from '@jest/globals';
import { refuse, SigraError, withoutStack } from './sigra-error.js';

describe('SigraError', () => {
  it('says nothing of its cause but to who asks for it', () => {
    const cause = new Error('connection to 10.0.0.1 refused');

    const error = new SigraError('unavailable', 'The database did not answer.', { cause });

    expect(error).toMatchObject({ name: 'SigraError', code: 'unavailable', message: 'The database did not answer.' });
    expect(error.cause).toBe(cause);
    expect(JSON.stringify(error)).toBe('{"code":"unavailable","name":"SigraError"}');
  });

  it('has no cause and no refusal unless it is given them', () => {
    const error = new SigraError('not_found', 'There is no such token.');

    expect(Object.hasOwn(error, 'cause')).toBe(false);
    expect(Object.hasOwn(error, 'refusal')).toBe(false);
  });
});

describe('refuse', () => {
  it('is a SigraError without a stack trace', () => {
    const error = refuse('invalid_token', 'The token is unknown.');

    expect(error).toBeInstanceOf(SigraError);
    expect(error.stack).not.toContain('\n');
  });
});

describe('withoutStack', () => {
  it('leaves the stack traces of others alone, also when it throws', () => {
    const before = Error.stackTraceLimit;

    expect(() =>
      withoutStack(() => {
        throw new Error('no error to be had');
      }),
    ).toThrow('no error to be had');

    expect(Error.stackTraceLimit).toBe(before);
  });
});
