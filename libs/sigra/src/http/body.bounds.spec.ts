import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import type { SigraError } from '../common/sigra-error.js';
import { assertBounded, type BodyHeaders } from './body.bounds.js';

const FORM: BodyHeaders = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' };
const JSON_TYPE: BodyHeaders = { 'content-type': 'application/json' };
const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
const fields = (count: number) => Array.from({ length: count }, (_, index) => `f${index}=1`).join('&');
const spaces = (count: number) => ' '.repeat(count);

function codeOf(body: string | Buffer, headers: BodyHeaders = JSON_TYPE): string | undefined {
  try {
    assertBounded(Buffer.from(body), headers);
    return undefined;
  } catch (error) {
    return (error as SigraError).code;
  }
}

describe('A body', () => {
  it.each<[string, string, BodyHeaders]>([
    ['65,536 bytes', spaces(65_536), JSON_TYPE],
    ['4,096 values', `[${'1,'.repeat(4095)}1]`, JSON_TYPE],
    ['32 levels', nested(32), JSON_TYPE],
    ['brackets in texts', JSON.stringify(['['.repeat(1000), '"\\'.repeat(1000), '{,'.repeat(5000)]), JSON_TYPE],
    ['an escaped quote before brackets', `["\\"${'['.repeat(40)}"]`, JSON_TYPE],
    ['100 fields', fields(100), FORM],
    ['empty fields', `&&${'&'.repeat(1000)}a=1&&`, FORM],
    ['commas and brackets in a form', `a=${'[,'.repeat(5000)}`, FORM],
    ['ampersands in JSON', JSON.stringify('&a'.repeat(5000)), JSON_TYPE],
  ])('can have %s', (_what, body, headers) => {
    expect(codeOf(body, headers)).toBeUndefined();
  });

  it.each<[string, string, string, BodyHeaders]>([
    ['65,537 bytes', 'body_too_large', spaces(65_537), JSON_TYPE],
    ['4,097 values', 'invalid_request', `[${'1,'.repeat(4096)}1]`, JSON_TYPE],
    ['4,097 objects', 'invalid_request', `[${'{}'.repeat(4097)}]`, JSON_TYPE],
    ['33 levels', 'invalid_request', nested(33), JSON_TYPE],
    ['33 levels after a text', 'invalid_request', `["\\\\",${nested(32)}]`, JSON_TYPE],
    ['33 levels of an unknown type', 'invalid_request', nested(33), { 'content-type': 'text/plain' }],
    ['33 levels without a type', 'invalid_request', nested(33), {}],
    ['101 fields', 'invalid_request', fields(101), FORM],
    ['101 fields without values', 'invalid_request', 'a&'.repeat(101), FORM],
    [
      '101 fields, in another case',
      'invalid_request',
      fields(101),
      { 'content-type': ' Application/X-WWW-Form-URLencoded' },
    ],
    ['an unknown coding', 'unsupported_encoding', '{}', { ...JSON_TYPE, 'content-encoding': 'zstd' }],
    ['two codings', 'unsupported_encoding', '{}', { ...JSON_TYPE, 'content-encoding': 'gzip, gzip' }],
  ])('is refused with %s', (_what, code, body, headers) => {
    expect(codeOf(body, headers)).toBe(code);
  });

  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
    [' GZIP ', gzipSync],
  ])('is counted after decompression: %s', (coding, compress) => {
    const headers = { ...JSON_TYPE, 'content-encoding': coding };

    expect(codeOf(compress(spaces(65_536)), headers)).toBeUndefined();
    expect(codeOf(compress(spaces(65_537)), headers)).toBe('body_too_large');
    expect(codeOf(compress(Buffer.alloc(5_000_000)), headers)).toBe('body_too_large');
    expect(codeOf(compress(nested(33)), headers)).toBe('invalid_request');
    expect(codeOf(compress(fields(101)), { ...FORM, 'content-encoding': coding })).toBe('invalid_request');
  });

  it('that cannot be decompressed is left to the parser', () => {
    expect(codeOf('{"name":"CI"}', { ...JSON_TYPE, 'content-encoding': 'gzip' })).toBeUndefined();
  });
});
