import { describe, expect, it } from '@jest/globals';
import { ForeignFormats } from '../common/foreign-formats.js';
import { readAuthorization } from './authorization-header.js';
import type { HttpRequest } from './http-exchange.js';

const request = (rest: Partial<HttpRequest>): HttpRequest => ({ method: 'GET', url: '/', headers: {}, ...rest });

describe('readAuthorization', () => {
  it('reads a request that has nothing but headers', () => {
    const constructed: HttpRequest = { method: 'GET', headers: { authorization: 'Bearer abc' } };

    expect(readAuthorization(constructed)).toEqual({ kind: 'bearer', credential: 'abc' });
  });

  it('treats a header that is not a string as absent', () => {
    const headers = { authorization: { toString: () => 'Bearer abc' } } as unknown as HttpRequest['headers'];

    expect(readAuthorization(request({ headers }))).toEqual({ kind: 'absent' });
  });

  it('refuses a list of values in a request that a host constructs', () => {
    const headers = { authorization: ['Bearer abc', 'Bearer def'], 'x-api-key': ['abc', 'abc'] };

    expect(() => readAuthorization(request({ headers }))).toThrow('several Authorization headers');
    expect(() => readAuthorization(request({ headers: { 'x-api-key': ['abc', 'abc'] } }), ['x-api-key'])).toThrow(
      'several X-Api-Key headers',
    );
  });

  it('counts the headers of the request that Fastify wraps', () => {
    const headers = { authorization: 'Bearer abc' };
    const rawHeaders = ['authorization', 'Bearer abc', 'Accept', '*/*', 'AUTHORIZATION', 'Bearer def'];

    expect(() => readAuthorization(request({ headers, raw: { rawHeaders } }))).toThrow('several Authorization headers');
    expect(readAuthorization(request({ headers, raw: { rawHeaders: rawHeaders.slice(0, 4) } })).kind).toBe('bearer');
  });

  it('does not mistake the value of a header for its name', () => {
    const rawHeaders = ['authorization', 'Bearer abc', 'x-echo', 'authorization', 'x-echo', 'authorization'];

    expect(readAuthorization(request({ headers: { authorization: 'Bearer abc' }, rawHeaders })).kind).toBe('bearer');
  });

  it.each(['Bearer \u00a0abc', 'Bearer abc\u00a0', 'Bearer \u3000abc', 'Bearer abc\n', 'Bearer\u00a0abc'])(
    'trims only spaces: %j',
    (authorization) => {
      expect(() => readAuthorization(request({ headers: { authorization } }))).toThrow('malformed');
    },
  );

  it('reads a long run of spaces in linear time', () => {
    const authorization = `Bearer ${' '.repeat(500_000)}abc${' '.repeat(500_000)}!`;
    const start = performance.now();

    expect(() => readAuthorization(request({ headers: { authorization } }))).toThrow('malformed');
    expect(() => readAuthorization(request({ headers: { authorization } }), [], new ForeignFormats([]))).toThrow(
      'malformed',
    );
    expect(performance.now() - start).toBeLessThan(5000);
  });
});
