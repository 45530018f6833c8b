import {
  type GoodToken,
  base64url,
  resign,
  seal,
  sealSegments,
  segments,
  resignToLength,
} from '../support/jwt-forge.js';
import { refusesAll } from '../support/hostile-jwt.js';

const MALFORMED = 'The JWT is malformed.';
const HEADER = 'The header is not a JSON object with unique names.';
const PAYLOAD = 'The payload is not a JSON object with unique names.';
const NOT_UTF8 = 'The payload is not UTF-8.';

const json = ({ header, payload }: GoodToken) => ({ header: JSON.stringify(header), payload: JSON.stringify(payload) });

/** The JSON of the object with one more member. */
const plus = (object: string, member: string) => `${object.slice(0, -1)},${member}}`;

/** The last character of base64url can have unused bits; this sets one of them. */
function withSpareBit(segment: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return segment.slice(0, -1) + alphabet.charAt(alphabet.indexOf(segment.at(-1)!) + 1);
}

/** The same JSON, padded with spaces until its length modulo 3 has the given value. */
function padded(text: string, leftOver: number): string {
  return Buffer.byteLength(text) % 3 === leftOver ? text : padded(`${text} `, leftOver);
}

refusesAll('A JWT that is not three parts of base64url (RFC 7515 section 7.1)', [
  { what: 'padding at its end', reason: MALFORMED, forge: ({ jwt }) => `${jwt}==` },
  { what: 'a plus in the payload', reason: MALFORMED, forge: ({ jwt }) => jwt.replace('.', '.+') },
  { what: 'a slash in the signature', reason: MALFORMED, forge: ({ jwt }) => `${jwt}/` },
  { what: 'a tilde', reason: MALFORMED, forge: ({ jwt }) => `${jwt}~` },
  { what: 'a dot at its end', reason: MALFORMED, forge: ({ jwt }) => `${jwt}.` },
  { what: 'two dots in a row', reason: MALFORMED, forge: ({ jwt }) => jwt.replace('.', '..') },
  { what: 'a fourth part', reason: MALFORMED, forge: ({ jwt }) => `${jwt}.${segments(jwt)[2]}` },
  {
    what: 'five parts, as in an encrypted JWT',
    reason: MALFORMED,
    forge: ({ jwt }) => `${base64url('{"alg":"RSA-OAEP","enc":"A256GCM"}')}.${segments(jwt).join('.')}.AAAA`,
  },
  {
    what: 'a detached payload (RFC 7515 appendix F)',
    reason: MALFORMED,
    forge: ({ jwt }) => `${segments(jwt)[0]}..${segments(jwt)[2]}`,
  },
  { what: 'no signature', reason: MALFORMED, forge: ({ jwt }) => jwt.slice(0, jwt.lastIndexOf('.') + 1) },
  { what: 'one part', reason: MALFORMED, forge: ({ jwt }) => segments(jwt)[0] },
  {
    what: 'a header with unused bits set',
    reason: 'The header is not canonical base64url.',
    forge: (good) => {
      const { header, payload } = json(good);
      return sealSegments(withSpareBit(base64url(padded(header, 1))), base64url(payload), good.key);
    },
  },
  {
    what: 'a payload with unused bits set',
    reason: 'The payload is not canonical base64url.',
    forge: (good) => {
      const { header, payload } = json(good);
      return sealSegments(base64url(header), withSpareBit(base64url(padded(payload, 2))), good.key);
    },
  },
  {
    what: 'a signature with unused bits set',
    reason: 'The signature is not canonical base64url.',
    forge: ({ jwt }) => withSpareBit(jwt),
  },
  {
    what: 'a header one character too long',
    reason: 'The header is not canonical base64url.',
    forge: (good) =>
      sealSegments(`${base64url(padded(json(good).header, 0))}A`, base64url(json(good).payload), good.key),
  },
]);

refusesAll('A JWT whose JSON has a duplicate member (RFC 7519 section 4, RFC 8725 section 2.4)', [
  {
    what: 'alg twice',
    reason: HEADER,
    forge: (good) => seal(plus(json(good).header, '"alg":"RS256"'), json(good).payload, good.key),
  },
  {
    what: 'kid twice, once in escapes',
    reason: HEADER,
    forge: (good) => seal(plus(json(good).header, '"\\u006bid":"rsa-1"'), json(good).payload, good.key),
  },
  {
    what: 'sub twice',
    reason: PAYLOAD,
    forge: (good) =>
      seal(json(good).header, plus(json(good).payload, `"sub":${JSON.stringify(good.payload.sub)}`), good.key),
  },
  {
    what: 'sub twice, once in escapes',
    reason: PAYLOAD,
    forge: (good) => seal(json(good).header, plus(json(good).payload, '"\\u0073ub":"x"'), good.key),
  },
  {
    what: 'scope twice, with spaces before the colon',
    reason: PAYLOAD,
    forge: (good) => seal(json(good).header, plus(json(good).payload, '"scope" \t\r\n :"admin"'), good.key),
  },
  {
    what: 'a name twice in a nested object',
    reason: PAYLOAD,
    forge: (good) => seal(json(good).header, plus(json(good).payload, '"act":{"sub":"a","sub":"b"}'), good.key),
  },
  {
    what: 'a name twice in an object in an array',
    reason: PAYLOAD,
    forge: (good) => seal(json(good).header, plus(json(good).payload, '"list":[1,{"a":[],"a":{}}]'), good.key),
  },
  {
    what: '__proto__ twice',
    reason: PAYLOAD,
    forge: (good) => seal(json(good).header, plus(json(good).payload, '"__proto__":1,"__proto__":2'), good.key),
  },
]);

refusesAll('A JWT whose parts are not JSON objects', [
  ...['null', '[]', '"text"', '1', '', '{', '{}}', "{'sub':1}", '{"a":1,}', '{"a":NaN}', '/**/{}'].map((text) => ({
    what: `a payload ${JSON.stringify(text)}`,
    reason: text === '' ? MALFORMED : PAYLOAD,
    forge: (good: GoodToken) => seal(json(good).header, text, good.key),
  })),
  {
    what: 'a byte order mark before the payload',
    reason: PAYLOAD,
    forge: (good) => seal(json(good).header, `\ufeff${json(good).payload}`, good.key),
  },
  {
    what: 'a NUL after the payload',
    reason: PAYLOAD,
    forge: (good) => seal(json(good).header, `${json(good).payload}\0`, good.key),
  },
  {
    what: 'a payload in UTF-16',
    reason: PAYLOAD,
    forge: (good) => seal(json(good).header, Buffer.from(json(good).payload, 'utf16le'), good.key),
  },
  {
    what: 'a lone UTF-8 byte in a claim',
    reason: NOT_UTF8,
    forge: (good) =>
      seal(json(good).header, Buffer.from(plus(json(good).payload, '"name":"\xff"'), 'latin1'), good.key),
  },
  {
    what: 'an overlong encoding of a slash',
    reason: NOT_UTF8,
    forge: (good) =>
      seal(json(good).header, Buffer.from(plus(json(good).payload, '"name":"\xc0\xaf"'), 'latin1'), good.key),
  },
  {
    what: 'a surrogate in UTF-8',
    reason: NOT_UTF8,
    forge: (good) =>
      seal(json(good).header, Buffer.from(plus(json(good).payload, '"name":"\xed\xa0\x80"'), 'latin1'), good.key),
  },
  {
    what: 'a header that is not UTF-8',
    reason: 'The header is not UTF-8.',
    forge: (good) => seal(Buffer.from(plus(json(good).header, '"cty":"\xff"'), 'latin1'), json(good).payload, good.key),
  },
  {
    what: 'claims inherited from __proto__',
    reason: 'sub is missing or not a valid string.',
    forge: (good) => {
      const { sub, ...others } = good.payload;
      const inherited = `"__proto__":${JSON.stringify({ sub })}`;
      return seal(json(good).header, plus(JSON.stringify(others), inherited), good.key);
    },
  },
  {
    what: 'a header that inherits its kid from __proto__',
    reason: 'kid is unknown.',
    forge: (good) => {
      const { kid, ...others } = good.header;
      const inherited = `"__proto__":${JSON.stringify({ kid })}`;
      return seal(plus(JSON.stringify(others), inherited), json(good).payload, good.key);
    },
  },
]);

refusesAll('A JWT of over 8 KB', [
  { what: 'one character too many', reason: MALFORMED, forge: (good) => resignToLength(good, 8193) },
  { what: '12 KB', reason: MALFORMED, forge: (good) => resignToLength(good, 12_000) },
  {
    what: 'JSON nested 4000 deep',
    reason: MALFORMED,
    forge: (good) => resign(good, { payload: { deep: JSON.parse('['.repeat(4000) + ']'.repeat(4000)) as unknown } }),
  },
]);
