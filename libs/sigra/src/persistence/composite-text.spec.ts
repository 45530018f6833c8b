import { describe, expect, it } from '@jest/globals';
import { elementsOf } from './composite-text.js';

describe('elementsOf', () => {
  it.each([
    ['a row', '(a,b c,1)', ['a', 'b c', '1']],
    ['nulls, also at the ends', '(,a,)', [null, 'a', null]],
    ['an empty string', '(a,"",b)', ['a', '', 'b']],
    ['quoted text', '("a b","c,d","(e)")', ['a b', 'c,d', '(e)']],
    ['a quote in a row', '("""a""","b""",""",")', ['"a"', 'b"', '",']],
    ['a backslash in a row', String.raw`("\\","a\\b","\\""")`, ['\\', 'a\\b', '\\"']],
    ['an array', '{a,b:c}', ['a', 'b:c']],
    ['an array without elements', '{}', []],
    ['quotes and backslashes in an array', String.raw`{"a,b","\"","\\","",c}`, ['a,b', '"', '\\', '', 'c']],
    ['an array in a row', String.raw`("{a,""b c"",""\\""""}",x)`, [String.raw`{a,"b c","\""}`, 'x']],
    ['line breaks', '("a\nb\r\n",c)', ['a\nb\r\n', 'c']],
  ])('reads %s', (_what, text, elements) => {
    expect(elementsOf(text)).toEqual(elements);
  });

  it('rejects text that ends within quotes', () => {
    expect(() => elementsOf('("a)')).toThrow('no closing quote');
  });
});
