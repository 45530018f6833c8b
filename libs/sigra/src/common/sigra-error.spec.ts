import { HttpException } from '@nestjs/common';
import { describe, expect, it } from '@jest/globals';
import { refuse, SigraError, withoutStack } from './sigra-error.js';

describe('SigraError', () => {
  it('excludes its cause from its message and its JSON', () => {
    const cause = new Error('connection to 10.0.0.1 refused');

    const error = new SigraError('unavailable', 'The database did not answer.', { cause });

    expect(error).toMatchObject({ name: 'SigraError', code: 'unavailable', message: 'The database did not answer.' });
    expect(error.cause).toBe(cause);
    expect(JSON.stringify(error)).not.toContain(cause.message);
  });

  it('has a cause and a refusal only if they are given', () => {
    const error = new SigraError('not_found', 'There is no such token.');

    expect(error.cause).toBeUndefined();
    expect(Object.hasOwn(error, 'refusal')).toBe(false);
  });

  it('has the status and the body of its HTTP answer', () => {
    const refusal = { required: ['read:notes'], missing: ['read:notes'] };
    const error = new SigraError('insufficient_scope', 'A scope is missing.', { refusal });

    expect(error).toBeInstanceOf(HttpException);
    expect(error.getStatus()).toBe(403);
    expect(error.getResponse()).toEqual({
      statusCode: 403,
      error: 'insufficient_scope',
      message: 'A scope is missing.',
      ...refusal,
    });
  });

  it('gives clients one answer for every bad credential', () => {
    const codes = ['invalid_token', 'token_revoked', 'token_expired', 'epoch_mismatch', 'reuse_detected'] as const;

    const answers = codes.map((code) => new SigraError(code, code).getResponse());

    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
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
