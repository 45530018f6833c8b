import { describe, expect, it } from '@jest/globals';
import { parseDescription, parseMetadata, parseName } from './token-properties.js';

const refused = (code: string) => expect.objectContaining({ code }) as unknown as Error;

describe('parseName', () => {
  it.each([
    ['zero width spaces', '\u200b\u200c\u200d'],
    ['word joiners', '\u2060\u2061\u2064'],
    ['soft hyphens', '\u00ad\u00ad'],
    ['a Hangul choseong filler', '\u115f'],
    ['a Hangul jungseong filler', '\u1160'],
    ['a Hangul filler', '\u3164'],
    ['a halfwidth Hangul filler', '\uffa0'],
    ['an empty Braille pattern', '\u2800'],
    ['a combining grapheme joiner', '\u034f'],
    ['combining marks', '\u0301\u0302\u20dd'],
    ['Khmer inherent vowels', '\u17b4\u17b5'],
    ['Mongolian separators', '\u180b\u180e\u180f'],
    ['variation selectors', '\ufe0f\u{e0100}'],
    ['tags', '\u{e0041}\u{e007f}'],
    ['directional marks', '\u200e\u200f\u061c'],
    ['a musical null notehead', '\u{1d159}'],
    ['a musical format character', '\u{1d173}'],
    ['blank hieroglyphs', '\u{13441}\u{13442}'],
    ['an interlinear annotation', '\ufff9\ufffa\ufffb'],
    ['spaces between fillers', '\u3164 \u3164'],
    ['an unassigned ignorable character', '\u{e0fff}'],
  ])('refuses a name of %s, which shows nothing', (_what, name) => {
    expect(() => parseName(name)).toThrow(refused('invalid_name'));
  });

  it.each(['\u202a', '\u202b', '\u202c', '\u202d', '\u202e', '\u2066', '\u2067', '\u2068', '\u2069'])(
    'refuses a name with the bidirectional control %j, which can imitate another name',
    (control) => {
      expect(() => parseName(`deploy${control}yolped`)).toThrow(refused('invalid_name'));
    },
  );

  it.each(['\u2028', '\u2029'])('refuses a name with the line separator %j', (separator) => {
    expect(() => parseName(`CI${separator}admin`)).toThrow(refused('invalid_name'));
  });

  it.each(['CI', '.', '👩‍👩‍👧', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '❤️', 'e\u0301', 'می\u200cخواهم', 'שלום\u200f CI', '\u1112\u1161\u11ab', '\u2801'])(
    'accepts %j unchanged',
    (name) => {
      expect(parseName(name)).toBe(name);
    },
  );

  it('counts the spaces around a name, so that they are not read without a bound', () => {
    expect(parseName(` ${'x'.repeat(253)} `)).toBe('x'.repeat(253));
    expect(() => parseName(`  ${'x'.repeat(253)} `)).toThrow(refused('name_too_long'));
  });
});

describe('parseDescription', () => {
  it.each([undefined, null, '', ' \n '])('reads %j as none', (description) => {
    expect(parseDescription(description)).toBeNull();
  });

  it('trims a description, and keeps its lines', () => {
    expect(parseDescription(' one\r\n\ttwo ')).toBe('one\r\n\ttwo');
  });

  it.each(['a\u0000b', 'a\u001bb', 'a\u2028b', 'a\u2067b', 'a\udc00', 5, []])('refuses %j', (description) => {
    expect(() => parseDescription(description)).toThrow(refused('invalid_description'));
  });
});

describe('parseMetadata', () => {
  it('copies the metadata, before and after the rule of the application', async () => {
    const given = { list: [1] };
    const made = { list: [2] };

    const parsed = await parseMetadata(given, (metadata) => {
      expect(metadata).not.toBe(given);
      return made;
    });
    made.list.push(3);

    expect(parsed).toEqual({ list: [2] });
  });

  it.each([1e21, -1e21, 1e-7, 5e-324])(
    'refuses the number %d, which PostgreSQL writes with all its digits',
    async (number) => {
      await expect(parseMetadata({ number }, undefined)).rejects.toThrow(refused('invalid_metadata'));
    },
  );

  it.each([0, -1.5, 999_999_999_999_999_900_000, 0.000_001])('accepts the number %d', async (number) => {
    expect(await parseMetadata({ number }, undefined)).toEqual({ number });
  });
});
