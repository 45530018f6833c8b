import { createPublicKey } from 'node:crypto';
import { type GoodToken, resign, segments, seal } from '../support/jwt-forge.js';
import { type HostileToken, KEYS, refusesAll } from '../support/hostile-jwt.js';

const ALG = 'alg does not match the key.';
const KID = 'kid is unknown.';
const TYP = 'typ is not at+jwt.';
const CRIT = 'The header has critical extensions.';
const CARRIER = 'The header contains a key.';

const withHeader = (what: string, reason: string, header: Readonly<Record<string, unknown>>): HostileToken => ({
  what,
  reason,
  forge: (good) => resign(good, { header }),
});

const publicJwk = createPublicKey(KEYS.rsa.signs).export({ format: 'jwk' });

/** Keeps the valid signature, so that the token is refused because of its algorithm. */
const claimingAlg = ({ jwt, header, payload }: GoodToken, alg: unknown): string => {
  const head = Buffer.from(JSON.stringify({ ...header, alg })).toString('base64url');
  const body = Buffer.from(JSON.stringify(payload)).toString('base64url');
  return `${head}.${body}.${segments(jwt)[2]}`;
};

refusesAll('A JWT whose alg does not match its key (RFC 8725 section 3.1)', [
  ...['none', 'None', 'NONE', 'nOnE', 'none ', ''].map((alg) => ({
    what: `alg ${JSON.stringify(alg)} beside a signature`,
    reason: ALG,
    forge: (good: GoodToken) => claimingAlg(good, alg),
  })),
  ...['none', 'None', 'nOnE'].map((alg) => ({
    what: `alg ${JSON.stringify(alg)} with an empty signature`,
    reason: 'The JWT is malformed.',
    forge: (good: GoodToken) => claimingAlg(good, alg).replace(/[^.]+$/, ''),
  })),
  {
    what: 'alg "none" and two parts only',
    reason: 'The JWT is malformed.',
    forge: (good) => claimingAlg(good, 'none').replace(/\.[^.]+$/, ''),
  },
  ...['HS256', 'RS384', 'RS512', 'PS256', 'ES256', 'EdDSA', 'rs256', 'RS256 ', 'HS512'].map((alg) =>
    withHeader(`alg ${JSON.stringify(alg)} under the kid of an RSA key`, ALG, { alg }),
  ),
  withHeader('no alg', ALG, { alg: undefined }),
  withHeader('alg null', ALG, { alg: null }),
  withHeader('alg as an array', ALG, { alg: ['RS256'] }),
  { ...withHeader('alg RS256 under the kid of a secret', ALG, { alg: 'RS256' }), key: KEYS.secret },
  { ...withHeader('alg HS256 under the kid of an EC key', ALG, { alg: 'HS256' }), key: KEYS.ec },
]);

refusesAll('A JWT with an unknown kid (RFC 8725 section 3.10)', [
  withHeader('a foreign kid', KID, { kid: 'rsa-2' }),
  withHeader('the kid in another case', KID, { kid: 'RSA-1' }),
  withHeader('the kid with a space', KID, { kid: 'rsa-1 ' }),
  withHeader('no kid', KID, { kid: undefined }),
  withHeader('an empty kid', KID, { kid: '' }),
  withHeader('kid null', KID, { kid: null }),
  withHeader('kid as a number', KID, { kid: 0 }),
  withHeader('kid as an array', KID, { kid: ['rsa-1'] }),
  withHeader('kid as an object', KID, { kid: { toString: 'rsa-1' } }),
  withHeader('kid as a path', KID, { kid: '../../../../../../dev/null' }),
  withHeader('kid as SQL', KID, { kid: "' UNION SELECT 'secret' --" }),
  withHeader('kid as a shell command', KID, { kid: 'rsa-1;id' }),
  withHeader('kid as a URL', KID, { kid: 'https://attacker.example/key' }),
  withHeader('kid "__proto__"', KID, { kid: '__proto__' }),
  withHeader('kid "constructor"', KID, { kid: 'constructor' }),
  withHeader('a kid with a NUL', KID, { kid: 'rsa-1\0' }),
]);

refusesAll('A JWT that contains its own key (RFC 7515 section 4.1, RFC 8725 section 3.10)', [
  withHeader('jwk', CARRIER, { jwk: publicJwk }),
  withHeader('jwk null', CARRIER, { jwk: null }),
  withHeader('jku', CARRIER, { jku: 'https://issuer.example/.well-known/jwks.json' }),
  withHeader('x5u', CARRIER, { x5u: 'https://issuer.example/cert.pem' }),
  withHeader('x5c', CARRIER, { x5c: ['MIIB'] }),
  withHeader('x5t', CARRIER, { x5t: 'AAAA' }),
  withHeader('x5t#S256', CARRIER, { 'x5t#S256': 'AAAA' }),
]);

refusesAll('A JWT of another type (RFC 9068 section 4, RFC 8725 section 3.11)', [
  withHeader('no typ', TYP, { typ: undefined }),
  withHeader('typ JWT, as in ID tokens', TYP, { typ: 'JWT' }),
  withHeader('typ jwt', TYP, { typ: 'jwt' }),
  withHeader('typ id_token+jwt', TYP, { typ: 'id_token+jwt' }),
  withHeader('typ logout+jwt', TYP, { typ: 'logout+jwt' }),
  withHeader('typ dpop+jwt', TYP, { typ: 'dpop+jwt' }),
  withHeader('an empty typ', TYP, { typ: '' }),
  withHeader('typ null', TYP, { typ: null }),
  withHeader('typ as an array', TYP, { typ: ['at+jwt'] }),
  withHeader('typ with a space', TYP, { typ: 'at+jwt ' }),
  withHeader('typ with another top-level type', TYP, { typ: 'text/at+jwt' }),
]);

refusesAll('A JWT with extensions (RFC 7515 section 4.1.11)', [
  withHeader('an unknown crit', CRIT, { crit: ['exp'] }),
  withHeader('a crit whose parameter is present', CRIT, {
    crit: ['http://example.com/is-root'],
    'http://example.com/is-root': true,
  }),
  withHeader('an empty crit', CRIT, { crit: [] }),
  withHeader('crit null', CRIT, { crit: null }),
  withHeader('b64 false with its crit', CRIT, { b64: false, crit: ['b64'] }),
  withHeader('b64 false alone', 'The header has b64.', { b64: false }),
  withHeader('b64 true', 'The header has b64.', { b64: true }),
  {
    what: 'b64 false and a payload that is not encoded',
    reason: 'The JWT is malformed.',
    forge: ({ header, payload, key }) =>
      seal(JSON.stringify({ ...header, b64: false, crit: ['b64'] }), '', key).replace(
        '..',
        `.${String(payload.sub)}/+.`,
      ),
  },
]);
