import { type HostileToken, refusesAll } from '../support/hostile-jwt.js';
import { type GoodToken, resign, seal } from '../support/jwt-forge.js';

type Claims = Readonly<Record<string, unknown>>;

const withClaims = (what: string, reason: string, claims: Claims | ((good: Claims) => Claims)): HostileToken => ({
  what,
  reason,
  forge: (good) => resign(good, { payload: typeof claims === 'function' ? claims(good.payload) : claims }),
});

/** JSON can contain numbers that `JSON.stringify` never writes, so the text is edited. */
const withRawClaim = (what: string, reason: string, claim: string, json: string): HostileToken => ({
  what,
  reason,
  forge: (good: GoodToken) => {
    const text = JSON.stringify({ ...good.payload, [claim]: undefined });
    return seal(JSON.stringify(good.header), `${text.slice(0, -1)},"${claim}":${json}}`, good.key);
  },
});

const seconds = (claims: Claims, offset: number) => Number(claims.iat) + offset;

const ISS = 'iss is not the configured issuer.';
refusesAll('A JWT of another issuer (RFC 9068 section 4, RFC 8725 section 3.8)', [
  withClaims('another iss', ISS, { iss: 'https://attacker.example' }),
  withClaims('iss with a trailing slash', ISS, { iss: 'https://issuer.example/' }),
  withClaims('iss in another case', ISS, { iss: 'https://ISSUER.example' }),
  withClaims('iss as an array', ISS, { iss: ['https://issuer.example'] }),
  withClaims('iss null', ISS, { iss: null }),
  withClaims('no iss', ISS, { iss: undefined }),
]);

const AUD = 'aud does not include the configured audience.';
refusesAll('A JWT for another audience (RFC 8725 section 3.9)', [
  withClaims('another aud', AUD, { aud: 'billing' }),
  withClaims('an aud that begins with ours', AUD, { aud: 'api2' }),
  withClaims('no aud', AUD, { aud: undefined }),
  withClaims('aud null', AUD, { aud: null }),
  withClaims('an empty array', AUD, { aud: [] }),
  withClaims('an array without ours', AUD, { aud: ['billing', 'reports'] }),
  withClaims('an array with ours and a number', AUD, { aud: ['api', 1] }),
  withClaims('an array with ours and null', AUD, { aud: [null, 'api'] }),
  withClaims('an array in an array', AUD, { aud: [['api']] }),
  withClaims('an object', AUD, { aud: { 0: 'api', length: 1 } }),
]);

const EXP = 'exp is missing or not a valid timestamp.';
refusesAll('A JWT without a valid exp (RFC 9068 section 2.2)', [
  withClaims('no exp', EXP, { exp: undefined }),
  withClaims('exp null', EXP, { exp: null }),
  withClaims('exp as a string', EXP, (good) => ({ exp: String(seconds(good, 900)) })),
  withClaims('exp true', EXP, { exp: true }),
  withClaims('exp as an array', EXP, (good) => ({ exp: [seconds(good, 900)] })),
  withClaims('exp as an ISO date', EXP, { exp: '2099-01-01T00:00:00Z' }),
  withClaims('a negative exp', EXP, { exp: -1 }),
  withClaims('exp in milliseconds', EXP, (good) => ({ exp: seconds(good, 900) * 1000 })),
  withClaims('exp beyond the year 9999', EXP, { exp: 253_402_300_800 }),
  withRawClaim('exp 1e400, which becomes infinite', EXP, 'exp', '1e400'),
  withRawClaim('exp -1e400', EXP, 'exp', '-1e400'),
  withClaims('exp "NaN"', EXP, { exp: 'NaN' }),
  withClaims('exp "Infinity"', EXP, { exp: 'Infinity' }),
  ...[0, -1, -86_400].map((offset): HostileToken => ({
    ...withClaims(`exp ${-offset} seconds ago`, 'The token has expired.', (good) => ({ exp: seconds(good, offset) })),
    code: 'token_expired',
  })),
  { ...withClaims('exp 0', 'The token has expired.', { exp: 0 }), code: 'token_expired' },
  { ...withRawClaim('exp -0', 'The token has expired.', 'exp', '-0'), code: 'token_expired' },
]);

const IAT = 'iat is missing or not a valid timestamp.';
const NBF = 'nbf is not a valid timestamp.';
refusesAll('A JWT that is not valid yet, or with an invalid iat or nbf (RFC 7519 sections 4.1.5 and 4.1.6)', [
  withClaims('no iat', IAT, { iat: undefined }),
  withClaims('iat null', IAT, { iat: null }),
  withClaims('iat as a string', IAT, (good) => ({ iat: String(good.iat) })),
  withClaims('a negative iat', IAT, { iat: -1 }),
  withRawClaim('an infinite iat', IAT, 'iat', '1e999'),
  withClaims('iat in milliseconds', IAT, (good) => ({ iat: seconds(good, 0) * 1000 })),
  withClaims('nbf in the future', 'nbf is in the future.', (good) => ({ nbf: seconds(good, 60) })),
  withClaims('nbf as a string', NBF, (good) => ({ nbf: String(good.iat) })),
  withClaims('nbf null', NBF, { nbf: null }),
  withClaims('a negative nbf', NBF, { nbf: -1 }),
]);

const SUB = 'sub is missing or not a valid string.';
refusesAll('A JWT without a valid subject (RFC 8725 section 3.8)', [
  withClaims('no sub', SUB, { sub: undefined }),
  withClaims('an empty sub', SUB, { sub: '' }),
  withClaims('sub as a number', SUB, { sub: 1 }),
  withClaims('sub null', SUB, { sub: null }),
  withClaims('sub as an array', SUB, (good) => ({ sub: [good.sub] })),
  withClaims('sub as an object', SUB, { sub: { id: 1 } }),
  withClaims('a NUL as sub', SUB, { sub: '\0' }),
  withClaims('a NUL after the sub', SUB, (good) => ({ sub: `${String(good.sub)}\0` })),
  withClaims('a sub of 513 characters', SUB, { sub: 'x'.repeat(513) }),
  withClaims('half a surrogate pair after the sub', SUB, (good) => ({ sub: `${String(good.sub)}\ud800` })),
  ...["' OR 1=1 --", '%', '{}', 'null', 'NaN', '\ufeff', '💥', 'x'.repeat(512)].map((sub) =>
    withClaims(`a sub that no user has: ${sub.slice(0, 20)}`, 'The user does not exist or is not active.', { sub }),
  ),
  withClaims('the sub with a space', 'The user does not exist or is not active.', (good) => ({
    sub: ` ${String(good.sub)}`,
  })),
  withClaims('the sub with a newline', 'The user does not exist or is not active.', (good) => ({
    sub: `${String(good.sub)}\n`,
  })),
  withClaims('the sub in another spelling', 'The user does not exist or is not active.', (good) => ({
    sub: String(good.sub).toUpperCase(),
  })),
]);

const JTI = 'jti is missing or not a valid string.';
const CLIENT = 'client_id is missing or not a valid string.';
const SCOPE = 'scope is not a list of scopes.';
const EPOCH = 'epoch is not an integer.';
const SID = 'sid is not a valid string.';
refusesAll('A JWT with another invalid claim (RFC 9068 section 2.2)', [
  withClaims('no jti', JTI, { jti: undefined }),
  withClaims('an empty jti', JTI, { jti: '' }),
  withClaims('jti as a number', JTI, { jti: 7 }),
  withClaims('no client_id', CLIENT, { client_id: undefined }),
  withClaims('an empty client_id', CLIENT, { client_id: '' }),
  withClaims('client_id as an array', CLIENT, { client_id: ['api'] }),
  withClaims('scope as an array', SCOPE, { scope: ['read:notes'] }),
  withClaims('scope null', SCOPE, { scope: null }),
  withClaims('scope as a number', SCOPE, { scope: 1 }),
  withClaims('scope with two spaces', SCOPE, { scope: 'read:notes  admin' }),
  withClaims('scope with a space at its end', SCOPE, { scope: 'read:notes ' }),
  withClaims('scope with a tab', SCOPE, { scope: 'read:notes\tadmin' }),
  withClaims('scope with a comma', SCOPE, { scope: 'read:notes,admin' }),
  withClaims('scope with a quote', SCOPE, { scope: 'read:notes"' }),
  withClaims('scope with a wildcard in the middle', SCOPE, { scope: 'read:*:notes' }),
  withClaims('scope in upper case', SCOPE, { scope: 'READ:notes' }),
  withClaims('scope with a newline', SCOPE, { scope: 'read:notes\nadmin' }),
  withClaims('a fraction as epoch', EPOCH, { epoch: 0.5 }),
  withClaims('epoch as a string', EPOCH, { epoch: '0' }),
  withClaims('epoch null', EPOCH, { epoch: null }),
  withClaims('a negative epoch', EPOCH, { epoch: -1 }),
  withClaims('an epoch beyond exact numbers', EPOCH, { epoch: 2 ** 53 }),
  withRawClaim('an infinite epoch', EPOCH, 'epoch', '1e999'),
  withClaims('sid as a number', SID, { sid: 5 }),
  withClaims('an empty sid', SID, { sid: '' }),
  withClaims('sid null', SID, { sid: null }),
]);
