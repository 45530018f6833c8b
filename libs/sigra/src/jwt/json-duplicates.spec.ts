import { randomInt } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { hasDuplicateKeys } from './json-duplicates.js';

describe('hasDuplicateKeys', () => {
  it.each([
    '{"a":1,"a":1}',
    '{"a":1,"b":2,"a":3}',
    '{"a":1,"\\u0061":2}',
    '{"\\u0061":1,"a":2}',
    '{"":1,"":2}',
    '{"a":{"b":1,"b":2}}',
    '[{"a":1},{"b":1,"b":2}]',
    '{"a" \n:1,"a"\t:2}',
    '{"\\"":1,"\\"":2}',
    '{"\\\\":1,"\\\\":2}',
    '{"/":1,"\\/":2}',
    '{"__proto__":1,"__proto__":2}',
    '{"a":"}","a":2}',
    '{"a":[{}],"a":2}',
  ])('finds a duplicate key in %s', (json) => {
    expect(hasDuplicateKeys(json)).toBe(true);
  });

  it.each([
    '{}',
    '[]',
    '"a"',
    '{"a":1,"A":2}',
    '{"a":{"a":{"a":1}}}',
    '[{"a":1},{"a":1}]',
    '{"a":"a","b":"a"}',
    '{"a":["a","a","b"]}',
    '{"a":"\\"a\\":1,\\"a\\":2"}',
    '{"a":"{\\"b\\":1","b":"}"}',
    '{"constructor":1,"__proto__":2,"toString":3}',
    '{"a":1,"a ":2," a":3}',
    '{"\\\\":1,"\\"":2}',
    '{"\\ud83d":1,"\\ude00":2,"\\ud83d\\ude00":3}',
  ])('finds no duplicate key in %s', (json) => {
    expect(hasDuplicateKeys(json)).toBe(false);
  });

  it('agrees with a count of the keys in 2,000 random JSON texts', () => {
    const names = ['a', 'b', '\\u0061', '', '\\"', '{', ':'];

    const disagreements = Array.from({ length: 2000 }, () => randomJson(3, names)).filter(
      ({ json, hasDuplicate }) => hasDuplicateKeys(json) !== hasDuplicate,
    );

    expect(disagreements).toEqual([]);
  });
});

interface Made {
  readonly json: string;
  readonly hasDuplicate: boolean;
}

function randomJson(depth: number, names: readonly string[]): Made {
  const kind = depth === 0 ? 2 : randomInt(3);
  if (kind === 2) return { json: ['1', '"a"', '"\\":"', 'null', '"}"'][randomInt(5)]!, hasDuplicate: false };
  const parts = Array.from({ length: randomInt(4) }, () => randomJson(depth - 1, names));
  const inside = parts.some(({ hasDuplicate }) => hasDuplicate);
  if (kind === 1) return { json: `[${parts.map(({ json }) => json).join(' ,')}]`, hasDuplicate: inside };
  const keys = parts.map(() => names[randomInt(names.length)]!);
  const distinct = new Set(keys.map((key) => JSON.parse(`"${key}"`) as string)).size === keys.length;
  const members = parts.map(({ json }, index) => ` "${keys[index]!}" : ${json}`);
  return { json: `{${members.join(',')}}`, hasDuplicate: inside || !distinct };
}
