import { encodeCursor } from 'nestjs-sigra';
import fc from 'fast-check';
import type { OddRequest } from './hostile-connection.js';
import { base64url, seal, secretKey, segments } from './jwt-forge.js';
import { HEADER_CHARACTERS, mutate } from './mutations.js';
import { SeededRandom } from './seeded-random.js';
import { unknownToken } from './unknown-token.js';

/** One input, and the answers that it can get. */
export interface HostileInput extends OddRequest {
  readonly kind: string;
  /** `refused`: never 2xx. `served`: always 200, because its credential is good. `any`: never 5xx. */
  readonly expects: 'refused' | 'served' | 'any';
  /** Bytes that replace the request, in Latin-1. */
  readonly raw?: string;
  /** Whether it is sent with Node's client, which refuses to send some. */
  readonly withClient: boolean;
  /** Whether the server can close the connection without an answer. */
  readonly mayClose?: boolean;
}

/** Credentials that are good, except for `deadToken`, and whose mutations are not. */
export interface GoodCredentials {
  readonly userId: string;
  readonly rawToken: string;
  readonly tokenId: string;
  readonly deadToken: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly jwtSecret: string;
  /** Another user, with a session: only this one changes anything. */
  readonly mallory: string;
}

type Made = Partial<Omit<HostileInput, 'kind'>>;

const JSON_TYPE = ['content-type', 'application/json'] as const;
const FORM_TYPE = ['content-type', 'application/x-www-form-urlencoded'] as const;
const ROUTES = ['/me', '/api/tokens', '/me/lock-out', '/api/jwt', '/oauth/token', '/oauth/revoke', '/oauth/introspect'];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT', 'PROPFIND', 'QUERY'];
const TYPES = [
  'application/json; charset=utf-16',
  'application/json; charset=nonsense',
  'application/json; charset="',
  'application/problem+json',
  'APPLICATION/JSON',
  'application/x-www-form-urlencoded',
  'application/x-www-form-urlencoded; charset=iso-8859-1',
  'multipart/form-data; boundary=x',
  'multipart/form-data',
  'text/plain',
  'text/html',
  'application/octet-stream',
  'application/xml',
  'application/json, text/plain',
  '',
  '/',
  ';;;',
];
const characters = (alphabet: string) => fc.nat(alphabet.length - 1).map((index) => alphabet.charAt(index));
/** Of texts: about a hundred characters. By default, fast-check makes texts of about ten characters. */
const LONG = '+1';
const RAW_LATIN1 = fc.uint8Array({ maxLength: 300, size: LONG }).map(latin1);
const HEADER_TEXT = fc.string({ unit: characters(HEADER_CHARACTERS), maxLength: 120, size: LONG });
const TOKEN_ALPHABET = 'abcxyzABCXYZ0189_';
const JWT_ALPHABET = 'abcxyzABC019-_.=';
/** Of text in JSON, as UTF-8. */
const JSON_TEXT = fc.oneof(fc.string({ unit: 'binary', size: LONG }), fc.json(), fc.json({ maxDepth: 8 }));
const RANDOM = fc.nat(0xffff_ffff).map((seed) => new SeededRandom(seed));

const mutant = (text: string, alphabet: string) => RANDOM.map((random) => mutate(text, random, alphabet));
const bearer = (credential: string) => ['authorization', `Bearer ${credential}`] as const;

/** All inputs, of all kinds. */
export function hostileInputs(good: GoodCredentials): fc.Arbitrary<HostileInput> {
  const kinds = { ...headers(good), ...jwts(good), ...bodies(good), ...targets(good), ...bytes(good) };
  return fc.oneof(
    ...Object.entries(kinds).map(([kind, [weight, arbitrary]]) => ({
      weight: weight * 10,
      arbitrary: fc.tuple(arbitrary, fc.nat(9)).map(([made, dice]): HostileInput => ({
        kind,
        expects: 'refused',
        method: 'GET',
        path: '/me',
        headers: [],
        body: '',
        withClient: dice === 0 && made.raw === undefined,
        ...made,
      })),
    })),
  );
}

type Kinds = Record<string, readonly [weight: number, fc.Arbitrary<Made>]>;

function headers({ userId, rawToken, deadToken, mallory }: GoodCredentials): Kinds {
  const session = ['x-session-user', mallory] as const;
  const authorization = fc
    .oneof(
      mutant(`Bearer ${rawToken}`, HEADER_CHARACTERS),
      mutant(rawToken, TOKEN_ALPHABET).map((token) => `Bearer ${token}`),
      RANDOM.map((random) => `Bearer ${unknownToken((bound) => random.below(bound))}`),
      fc.constant(`Bearer ${deadToken}`),
      HEADER_TEXT,
      HEADER_TEXT.map((text) => `Bearer ${text}`),
      fc.nat(10_000).map((length) => `Bearer sigra_sk_${'a'.repeat(length)}`),
      fc.constantFrom('Basic', 'Digest', 'BearerBearer', 'Bearer,', 'Bearer:').map((scheme) => `${scheme} ${rawToken}`),
    )
    .filter((header) => !isGood(header, rawToken));
  const path = fc.constantFrom('/me', '/api/tokens', '/api/tokens?limit=1');
  const create = { method: 'POST', path: '/api/tokens', body: '{"name":"key","scopes":["read:notes"]}' } as const;
  const names = fc.constantFrom('authorization', 'Authorization', 'AUTHORIZATION');
  const key = fc.oneof(
    HEADER_TEXT,
    fc.string({ unit: fc.constantFrom('a', 'b', '-', '~', '!'), maxLength: 300, size: LONG }),
  );
  return {
    'a forged Authorization': [
      10,
      fc.tuple(authorization, path, names).map(([text, path, name]) => ({ path, headers: [[name, text]] })),
    ],
    'a forged Authorization beside a session': [
      3,
      authorization.map((text) => ({ headers: [session, ['authorization', text]] })),
    ],
    'two Authorizations': [
      3,
      fc
        .tuple(fc.oneof(authorization, fc.constant(`Bearer ${rawToken}`)), names, fc.boolean())
        .map(([text, name, isFirst]): Made => {
          const both = [bearer(rawToken), [name, text] as const];
          return { headers: isFirst ? both : both.toReversed() };
        }),
    ],
    'a forged session': [
      4,
      fc
        .oneof(mutant(userId, HEADER_CHARACTERS), HEADER_TEXT, fc.uuid())
        // PostgreSQL reads several spellings of a UUID.
        .filter(
          (id) =>
            !id
              .toLowerCase()
              .replace(/[^0-9a-f]/g, '')
              .includes(userId.replaceAll('-', '')),
        )
        .map((id) => ({ headers: [['x-session-user', id]] })),
    ],
    'two sessions': [1, HEADER_TEXT.map((id) => ({ headers: [session, ['x-session-user', id || 'x']] }))],
    'a token in a cookie': [
      2,
      HEADER_TEXT.map((text) => ({
        headers: [
          ['cookie', `sigra=${rawToken}; ${text}`],
          ['cookie', text],
        ],
      })),
    ],
    'an idempotency key': [
      2,
      key.map((text) => ({ ...create, expects: 'any', headers: [session, JSON_TYPE, ['idempotency-key', text]] })),
    ],
    'two idempotency keys': [
      1,
      fc.tuple(key, key).map(([one, other]) => ({
        ...create,
        expects: 'any',
        headers: [session, JSON_TYPE, ['idempotency-key', one], ['Idempotency-Key', other]],
      })),
    ],
    'odd headers beside a good token': [
      4,
      fc
        .array(
          fc.tuple(
            fc.constantFrom(
              'x-forwarded-for',
              'forwarded',
              'user-agent',
              'origin',
              'referer',
              'accept',
              'cookie',
              'x-a',
            ),
            HEADER_TEXT,
          ),
          { minLength: 1, maxLength: 6 },
        )
        .map((odd) => ({ expects: 'served', headers: [bearer(rawToken), ...odd] })),
    ],
    'odd addresses and agents beside a dead token': [
      2,
      fc.tuple(HEADER_TEXT, HEADER_TEXT).map(([address, agent]) => ({
        headers: [bearer(deadToken), ['x-forwarded-for', address], ['user-agent', agent.repeat(12)]],
      })),
    ],
    'many headers': [
      1,
      fc.tuple(fc.nat(1900), HEADER_TEXT).map(([count, text]): Made => ({
        headers: [...Array.from({ length: count }, (_, index) => [`x-${index}`, ''] as const), ['x-a', text]],
        mayClose: true,
      })),
    ],
  };
}

function jwts({ accessToken, refreshToken, jwtSecret, rawToken }: GoodCredentials): Kinds {
  const [header, payload, signature] = segments(accessToken);
  const claims = decode(payload);
  const head = decode(header);
  const key = secretKey('', Buffer.from(jwtSecret));
  const present = (jwt: string): Made => ({ headers: [bearer(jwt)] });
  const algorithms = fc.constantFrom('none', 'None', 'HS256', 'HS512', 'RS256', 'ES256', '', null, 1, ['HS256']);
  const member = fc.constantFrom(
    'sub',
    'iss',
    'aud',
    'exp',
    'iat',
    'nbf',
    'jti',
    'sid',
    'scope',
    'epoch',
    'a',
    '__proto__',
  );
  const odd = fc.dictionary(member, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 });
  const form = (fields: Record<string, string>) => new URLSearchParams(fields).toString();
  const oauth = (path: string, body: string): Made => ({ method: 'POST', path, headers: [FORM_TYPE], body });
  const refresh = (token: string) => form({ grant_type: 'refresh_token', refresh_token: token });
  return {
    'a changed JWT': [
      5,
      mutant(accessToken, JWT_ALPHABET)
        .filter((jwt) => jwt.trim() !== accessToken)
        .map(present),
    ],
    'a JWT of random segments': [
      2,
      fc
        .array(RAW_LATIN1, { maxLength: 5 })
        .map((parts) => present(`eyJ${parts.map((part) => base64url(part)).join('.')}`)),
    ],
    'a JWT with another signature': [
      3,
      fc
        .tuple(
          algorithms,
          odd,
          fc.oneof(
            fc.constant(signature),
            RAW_LATIN1.map((bytes) => base64url(bytes)),
          ),
        )
        .map(([alg, changes, sealed]) => [{ ...head, alg }, { ...claims, ...changes, a: 1 }, sealed] as const)
        .map(([one, two, sealed]) => present(`${json64(one)}.${json64(two)}.${sealed}`)),
    ],
    'a JWT of another secret': [
      2,
      fc
        .tuple(fc.uint8Array({ maxLength: 64 }), odd)
        .map(([secret, changes]) =>
          present(
            seal(JSON.stringify(head), JSON.stringify({ ...claims, ...changes }), secretKey('', Buffer.from(secret))),
          ),
        ),
    ],
    'odd claims with a good signature': [
      3,
      fc.tuple(odd, odd).map(([one, two]) => ({
        ...present(seal(JSON.stringify({ ...head, ...one }), JSON.stringify({ ...claims, ...two }), key)),
        expects: 'any',
      })),
    ],
    'odd bytes with a good signature': [
      2,
      fc
        .oneof(
          JSON_TEXT,
          fc.nat(2000).map((depth) => '['.repeat(depth)),
        )
        .map((text) => present(seal(JSON.stringify(head), text, key))),
    ],
    'a changed refresh token': [
      3,
      mutant(refreshToken, TOKEN_ALPHABET)
        .filter((token) => token.trim() !== refreshToken)
        .map((token) => oauth('/oauth/token', refresh(token))),
    ],
    'a changed form for a refresh': [
      2,
      mutant(refresh(mutateOnce(refreshToken)), '&=%+[]abc019')
        // A token that was changed back would be good.
        .filter((body) => !new URLSearchParams(body).getAll('refresh_token').includes(refreshToken))
        .map((body) => oauth('/oauth/token', body)),
    ],
    'a revocation of something else': [
      2,
      fc
        .oneof(mutant(rawToken, TOKEN_ALPHABET), mutant(refreshToken, TOKEN_ALPHABET), JSON_TEXT)
        // A token that was changed back would be revoked.
        .filter((token) => !token.includes(rawToken) && !token.includes(refreshToken))
        .map((token) => ({ ...oauth('/oauth/revoke', form({ token })), expects: 'any' })),
    ],
    'an introspection of something else': [
      2,
      fc.oneof(mutant(rawToken, TOKEN_ALPHABET), mutant(accessToken, JWT_ALPHABET), JSON_TEXT).map((token) => ({
        ...oauth('/oauth/introspect', form({ token })),
        headers: [FORM_TYPE, bearer(rawToken)],
        expects: 'any',
      })),
    ],
  };
}

function bodies({ rawToken, mallory }: GoodCredentials): Kinds {
  const session = ['x-session-user', mallory] as const;
  const valid = JSON.stringify({ name: 'fuzz', scopes: ['read:notes'], expiresAt: '2999-01-01T00:00:00Z' });
  const post = (body: string, type: readonly [string, string] = JSON_TYPE): Made => ({
    method: 'POST',
    path: '/api/tokens',
    headers: [session, type],
    body,
    expects: 'any',
  });
  const utf8 = (text: string) => Buffer.from(text).toString('latin1');
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom(1e308, -0, '', '\0', '\ud800', [[]], [null], ['*'], ['read:notes'], '2999-01-01T00:00:00Z'),
  );
  const field = fc.constantFrom(
    'name',
    'scopes',
    'expiresAt',
    'graceSeconds',
    'userId',
    '__proto__',
    'constructor',
    'toString',
  );
  const path = fc.constantFrom('/api/tokens', '/api/jwt', '/me/lock-out', '/oauth/token', '/oauth/revoke');
  return {
    'a changed body': [5, mutant(valid, '{}[]",:\\u0abzRN\'\0\u00e9\ud800 ').map((body) => post(utf8(body)))],
    'a body of odd fields': [
      4,
      fc
        .tuple(fc.dictionary(field, value, { maxKeys: 5 }), path)
        .map(([body, path]) => ({ ...post(utf8(JSON.stringify(body))), path })),
    ],
    'a body of odd JSON': [3, fc.tuple(JSON_TEXT, path).map(([body, path]) => ({ ...post(utf8(body)), path }))],
    'a body of bytes': [2, fc.tuple(RAW_LATIN1, path).map(([body, path]) => ({ ...post(body), path }))],
    'a body with an odd type': [
      4,
      fc
        .tuple(fc.oneof(fc.constant(valid), RAW_LATIN1), fc.oneof(fc.constantFrom(...TYPES), HEADER_TEXT), path)
        .map(([body, type, path]) => ({ ...post(body, ['content-type', type]), path })),
    ],
    'a body with an odd encoding': [
      1,
      fc
        .tuple(RAW_LATIN1, fc.constantFrom('gzip', 'deflate', 'br', 'zstd', 'identity', 'x', ''))
        .map(([body, encoding]) => ({
          ...post(body),
          headers: [session, JSON_TYPE, ['content-encoding', encoding]],
          mayClose: true,
        })),
    ],
    'a form of odd fields': [
      2,
      fc.array(fc.tuple(fc.oneof(field, fc.string()), fc.string()), { maxLength: 120 }).map((fields) => ({
        ...post(new URLSearchParams(fields).toString(), FORM_TYPE),
        path: '/oauth/token',
        headers: [FORM_TYPE],
      })),
    ],
    'a deep body': [
      1,
      fc.tuple(fc.nat(40_000), fc.constantFrom('[', '{"a":', '[{"a":'), fc.boolean()).map(([depth, open, isClosed]) => {
        const close = Array.from(open)
          .reverse()
          .map((each) => (each === '[' ? ']' : each === '{' ? '}' : ''))
          .join('');
        const levels = Math.min(depth, Math.floor(90_000 / (open.length + close.length)));
        return post(open.repeat(levels) + (isClosed ? `1${close.repeat(levels)}` : ''));
      }),
    ],
    'a large body': [
      0.2,
      fc.tuple(fc.nat(300_000), fc.constantFrom('a', ' ', '\u00e9', '"a",')).map(([length, text]) => ({
        ...post(`{"name":"${text.repeat(length / text.length)}"}`),
        mayClose: true,
      })),
    ],
    'a form with a token': [
      1,
      HEADER_TEXT.map((text) => ({
        ...post(`access_token=${rawToken}&name=${encodeURIComponent(text)}`, FORM_TYPE),
        headers: [FORM_TYPE],
        expects: 'refused',
      })),
    ],
  };
}

function targets({ rawToken, tokenId, mallory }: GoodCredentials): Kinds {
  const session = ['x-session-user', mallory] as const;
  const alphabet = "abcdef0189-'%_*$\\;\0\u00e9";
  const cursor = encodeCursor(new Date(), tokenId);
  // Not a space, a line break, or the beginning of a query.
  const rawPath = fc.string({ unit: characters("abc019-./%'*;:@\\~\u00e9\u00ff"), maxLength: 60, size: LONG });
  const id = fc.oneof(
    mutant(tokenId, alphabet).map((text) => encodeURIComponent(text).slice(0, 90)),
    fc.string({ unit: 'binary', maxLength: 20 }).map((text) => encodeURIComponent(text)),
    fc.constantFrom(tokenId, '%00', '%ff', '%c0%af', '..', '%2e%2e', '%2F', '%', '%zz', 'null', 'undefined', '-1'),
    rawPath,
  );
  const query = fc.oneof(fc.string(), fc.string({ unit: 'binary', size: LONG }), mutant(cursor, 'abcxyzABC0189-_=+/.'));
  const name = fc.constantFrom('cursor', 'limit', 'cursor[]', 'limit[a][b]', '__proto__', '__proto__[a]', 'a');
  return {
    'an odd id': [
      5,
      fc.tuple(id, fc.boolean()).map(([id, isDeletion]) => ({
        method: isDeletion ? 'DELETE' : 'POST',
        path: `/api/tokens/${id}${isDeletion ? '' : '/rotate'}`,
        headers: [session],
      })),
    ],
    'an odd query': [
      5,
      fc.array(fc.tuple(name, query), { maxLength: 5 }).map((pairs) => ({
        path: `/api/tokens?${pairs.map(([name, text]) => `${name}=${encodeURIComponent(text)}`).join('&')}`,
        headers: [bearer(rawToken)],
        expects: 'any',
      })),
    ],
    'an odd query in bytes': [
      2,
      fc.string({ unit: characters("abc019=&[]%+.;'\u00e9"), maxLength: 80, size: LONG }).map((text) => ({
        path: `/api/tokens?${text}`,
        headers: [bearer(rawToken)],
        expects: 'any',
      })),
    ],
    'a token in the query': [
      2,
      fc
        .tuple(fc.constantFrom('access_token', 'token', 'authorization', '%61ccess_token'), HEADER_TEXT)
        .map(([name, text]) => ({
          path: `/me?a=${encodeURIComponent(text)}&${name}=${rawToken}`,
        })),
    ],
    'an odd path': [2, rawPath.map((path) => ({ path: `/${path}` }))],
    'a long path': [0.5, fc.nat(20_000).map((length) => ({ path: `/me/${'a'.repeat(length)}`, mayClose: true }))],
    'an odd method': [
      3,
      fc
        .tuple(fc.constantFrom(...ROUTES), fc.oneof(fc.constantFrom(...METHODS), mutant('DELETE', 'ABCabc-')))
        .filter(([, method]) => /^[\w-]+$/.test(method))
        .map(([path, method]) => ({
          path,
          method,
          // Express answers OPTIONS itself.
          expects: method === 'OPTIONS' ? 'any' : 'refused',
          mayClose: true,
        })),
    ],
  };
}

/** Bytes that a parser of HTTP refuses, or nearly. */
function bytes({ rawToken, userId }: GoodCredentials): Kinds {
  const forged = `Bearer ${mutateOnce(rawToken)}`;
  const request = `GET /me HTTP/1.1\r\nHost: a\r\nAuthorization: ${forged}\r\nAccept: */*\r\n\r\n`;
  const post = `POST /api/tokens HTTP/1.1\r\nHost: a\r\nX-Session-User: x\r\nContent-Type: application/json\r\n`;
  const raw = (text: string): Made => ({ raw: text, mayClose: true });
  const framing = fc.constantFrom(
    'Content-Length: 5\r\nContent-Length: 6\r\n',
    'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n',
    'Transfer-Encoding: chunked, identity\r\n',
    'Transfer-Encoding: xchunked\r\n',
    'Transfer-Encoding : chunked\r\n',
    'Transfer-Encoding:\u000bchunked\r\n',
    'Content-Length: -1\r\n',
    'Content-Length: +5\r\n',
    'Content-Length: 0x5\r\n',
    'Content-Length: 99999999999999999999\r\n',
    'Expect: 100-continue\r\nContent-Length: 2\r\n',
    'Expect: 200-ok\r\nContent-Length: 2\r\n',
    'Upgrade: websocket\r\nConnection: upgrade\r\n',
    'Upgrade: h2c\r\nConnection: upgrade, http2-settings\r\nHTTP2-Settings: AAMAAABk\r\n',
    'Connection: close, keep-alive, x-session-user\r\n',
  );
  const chunks = fc.constantFrom(
    '0\r\n\r\n',
    'ffffffffffffffffff\r\n',
    '5\r\nabc',
    '5;a=b\r\n{"a":\r\n0\r\n\r\n',
    '-1\r\n',
    '{}',
  );
  return {
    'bytes that are not HTTP': [2, RAW_LATIN1.map(raw)],
    'bytes of other protocols': [
      1,
      fc
        .tuple(
          fc.constantFrom(
            'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
            '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
            'GET /me\r\n\r\n',
            'GET /me HTTP/0.9\r\n\r\n',
            'GET /me HTTP/9.9\r\nHost: a\r\n\r\n',
            'GET http://a/me HTTP/1.1\r\nHost: b\r\n\r\n',
            'GET /me HTTP/1.1\r\n\r\n',
            'SSH-2.0-OpenSSH_9.0\r\n',
            '\r\n\r\n\r\n',
            '*1\r\n$4\r\nPING\r\n',
          ),
          RAW_LATIN1,
        )
        .map(([begin, rest]) => raw(begin + rest)),
    ],
    'a changed request': [3, mutant(request, '\r\n\0 :\t/\u00e9aA1').map(raw)],
    'a request with an odd header block': [
      1,
      fc
        .tuple(
          fc.constantFrom('\r\n x: folded', '\n', '\r', '\0', ': a', 'a b: c', 'a', `x-session-user\0: ${userId}`),
          RAW_LATIN1,
        )
        .map(([line, text]) => raw(`GET /me HTTP/1.1\r\nHost: a\r\n${line}\r\nX-A: ${text}\r\n\r\n`)),
    ],
    'an odd framing': [2, fc.tuple(framing, chunks).map(([lines, body]) => raw(`${post}${lines}\r\n${body}`))],
    'a smuggled request': [
      1,
      fc.tuple(framing, chunks).map(([lines, body]) => raw(`${post}${lines}\r\n${body}${request}`)),
    ],
    'many requests at once': [1, fc.integer({ min: 2, max: 50 }).map((count) => raw(request.repeat(count)))],
    'a header without an end': [
      0.3,
      fc.nat(100_000).map((length) => raw(`GET /me HTTP/1.1\r\nX-A: ${'a'.repeat(length)}`)),
    ],
  };
}

/** RFC 9110 section 5.5: spaces and tabs around a value are not part of it. */
function isGood(header: string, rawToken: string): boolean {
  const [, scheme, credential] = /^[ \t]*([^ \t]+) +([^ \t]*)[ \t]*$/.exec(header) ?? [];
  return scheme?.toLowerCase() === 'bearer' && credential === rawToken;
}

/** Replaces the last character. */
function mutateOnce(token: string): string {
  return token.slice(0, -1) + (token.endsWith('0') ? '1' : '0');
}

function decode(segment: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(segment, 'base64url').toString()) as Record<string, unknown>;
}

function json64(value: unknown): string {
  return base64url(JSON.stringify(value));
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
