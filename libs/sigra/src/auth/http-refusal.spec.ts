import { describe, expect, it } from '@jest/globals';
import { SigraError, type SigraErrorCode } from '../common/sigra-error.js';
import { toHttpRefusal } from './http-refusal.js';

const statusOf = (code: SigraErrorCode) => toHttpRefusal(new SigraError(code, 'x'), { realm: 'api' }).getStatus();

describe('toHttpRefusal', () => {
  it.each<[number, SigraErrorCode[]]>([
    [401, ['unauthorized', 'invalid_token', 'token_revoked', 'token_expired', 'epoch_mismatch', 'reuse_detected']],
    [403, ['insufficient_scope', 'cross_origin']],
    [404, ['not_found']],
    [503, ['unavailable', 'refresh_aborted']],
    [400, ['invalid_request', 'name_required', 'unregistered_scopes', 'invalid_cursor', 'invalid_limit']],
  ])('answers %i to %j', (status, codes) => {
    expect(codes.map(statusOf)).toEqual(codes.map(() => status));
  });

  it('creates no stack trace', () => {
    expect(toHttpRefusal(new SigraError('invalid_token', 'x'), { realm: 'api' }).stack).not.toContain('\n');
  });

  it('gives every invalid credential the same answer', () => {
    const codes: SigraErrorCode[] = ['invalid_token', 'token_revoked', 'token_expired', 'epoch_mismatch'];

    const answers = codes.map((code) => {
      const refusal = toHttpRefusal(new SigraError(code, `It is ${code}.`), { realm: 'api' });
      return JSON.stringify([refusal.getStatus(), refusal.getResponse(), refusal.headers, refusal.message]);
    });

    expect(new Set(answers).size).toBe(1);
  });

  it('keeps the cause for logs and out of the answer', () => {
    const cause = new Error('password authentication failed');
    const refusal = toHttpRefusal(new SigraError('unavailable', 'The database did not answer.', { cause }), {
      realm: 'api',
    });

    expect(refusal.cause).toMatchObject({ cause });
    expect(JSON.stringify([refusal.getResponse(), refusal.headers])).not.toContain('password');
  });

  it.each([
    ['quotes and backslashes', 'a "b" \\c', "a 'b' 'c"],
    ['line breaks', 'a\r\nSet-Cookie: b', 'a??Set-Cookie: b'],
    ['letters beyond ASCII', 'é и 🔑', '? ? ??'],
    ['control characters', 'a\0\t\x7fb', 'a???b'],
  ])('puts no %s into the header', (_what, message, description) => {
    const { headers } = toHttpRefusal(new SigraError('invalid_request', message), { realm: 'api' });

    expect(headers['WWW-Authenticate']).toBe(
      `Bearer realm="api", error="invalid_request", error_description="${description}"`,
    );
  });

  it('keeps the header short, however long the message is', () => {
    const { headers } = toHttpRefusal(new SigraError('invalid_request', 'x'.repeat(100_000)), { realm: 'api' });

    expect(headers['WWW-Authenticate']!.length).toBeLessThan(300);
  });
});
