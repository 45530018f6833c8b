import type { ForeignFormats } from '../common/foreign-formats.js';
import { refuse, type SigraError } from '../common/sigra-error.js';
import { AUTHORIZATION } from '../config/credentials.section.js';
import { headerOf, type HttpRequest } from './http-exchange.js';

/** The credential in the headers of a request. */
export type AuthorizationHeader =
  | { readonly kind: 'absent' }
  /** A scheme other than Bearer and DPoP: no credential of Sigra's, but the session does not count beside it. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'bearer'; readonly credential: string }
  /** In a header of its own, or with the scheme of another system: only an API token can stand there. */
  | { readonly kind: 'key'; readonly credential: string }
  /** A credential that needs the proof of a key (RFC 9449 section 7.1). */
  | { readonly kind: 'dpop'; readonly credential: string };

const ABSENT: AuthorizationHeader = { kind: 'absent' };
const FOREIGN: AuthorizationHeader = { kind: 'foreign' };

const KINDS: ReadonlyMap<string, 'bearer' | 'dpop'> = new Map([
  ['bearer', 'bearer'],
  ['dpop', 'dpop'],
]);
/** `1*SP b64token` of RFC 6750 section 2.1, and of RFC 9449 section 7.1: the part after the scheme. */
const CREDENTIAL = /^ +([A-Za-z0-9\-._~+/]+=*) *$/;
/** The same without a scheme. Node has removed the spaces around it. */
const KEY = /^[A-Za-z0-9\-._~+/]+=*$/;
/** `token` of RFC 9110 section 5.6.2: the syntax of a scheme. */
const SCHEME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/**
 * Reads the credential of a request, from the `Authorization` header, the headers of keys, and nowhere else. The same token
 * in several of them is one credential.
 *
 * @param keyHeaders names in lower case
 * @param foreign accepts the raw tokens of other systems as well, which can have other characters and schemes
 * @throws SigraError `invalid_request` for a malformed header, several of one name, different credentials in several
 * headers, or an `access_token` in the query or in a form (RFC 6750 sections 2 and 3.1)
 */
export function readAuthorization(
  request: HttpRequest,
  keyHeaders: readonly string[] = [],
  foreign?: ForeignFormats,
): AuthorizationHeader {
  if (hasTokenInQuery(request.url) || hasTokenInForm(request)) {
    const names = [AUTHORIZATION, ...keyHeaders].map(displayed).join(' or ');
    throw refuse('invalid_request', `Access tokens are accepted in the ${names} header only.`);
  }
  const authorization = readBearer(request, foreign);
  const key = keyHeaders.length === 0 ? undefined : readKey(request, keyHeaders, foreign);
  if (key === undefined) return authorization;
  // A scheme such as Basic can be that of a proxy. It does not count as a second credential.
  if (authorization.kind === 'absent' || authorization.kind === 'foreign') return { kind: 'key', credential: key };
  if (authorization.kind !== 'bearer' || authorization.credential !== key) throw twoCredentials();
  return authorization;
}

function readKey(
  request: HttpRequest,
  keyHeaders: readonly string[],
  foreign: ForeignFormats | undefined,
): string | undefined {
  let key: string | undefined;
  for (const name of keyHeaders) {
    const value = headerOf(request, name);
    if (value === undefined) continue;
    assertSingle(request, name);
    if (!KEY.test(value) && !foreign?.recognizes(value)) throw malformed(name);
    if (key !== undefined && key !== value) throw twoCredentials();
    key = value;
  }
  return key;
}

function readBearer(request: HttpRequest, foreign: ForeignFormats | undefined): AuthorizationHeader {
  const header = splitAuthorization(request);
  if (!header) return ABSENT;
  const { scheme, rest } = header;
  const kind = KINDS.get(scheme.toLowerCase()) ?? (foreign?.hasScheme(scheme) ? 'key' : undefined);
  if (kind === undefined) {
    if (!SCHEME.test(scheme)) throw malformed();
    return FOREIGN;
  }
  const credential = CREDENTIAL.exec(rest)?.[1] ?? foreignIn(rest, foreign);
  if (credential === undefined) throw malformed();
  return { kind, credential };
}

/** A credential with characters that `b64token` does not have, such as the `|` in tokens of Laravel Sanctum. */
function foreignIn(rest: string, foreign: ForeignFormats | undefined): string | undefined {
  if (!foreign) return undefined;
  // Not a regular expression, which takes quadratic time for many spaces before another character.
  let [start, end] = [0, rest.length];
  while (rest[start] === ' ') start++;
  while (end > start && rest[end - 1] === ' ') end--;
  const credential = rest.slice(start, end);
  return foreign.recognizes(credential) ? credential : undefined;
}

/**
 * The scheme of the `Authorization` header as it was sent, and what follows it, both unchecked.
 *
 * @returns undefined without the header
 * @throws SigraError `invalid_request` for several headers
 */
export function splitAuthorization(
  request: HttpRequest,
): { readonly scheme: string; readonly rest: string } | undefined {
  const header = headerOf(request, AUTHORIZATION);
  if (header === undefined) return undefined;
  assertSingle(request, AUTHORIZATION);
  const space = header.indexOf(' ');
  const scheme = space < 0 ? header : header.slice(0, space);
  return { scheme, rest: header.slice(scheme.length) };
}

/**
 * Node drops or joins headers that are repeated; only the raw list has all of them. A host can construct a request without
 * it.
 */
function assertSingle(request: HttpRequest, header: string): void {
  const value: unknown = request.headers[header];
  const rawHeaders = request.rawHeaders ?? request.raw?.rawHeaders ?? [];
  if (Array.isArray(value) && value.length > 1) throw several(header);
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index];
    if (name?.length === header.length && name.toLowerCase() === header) count++;
  }
  if (count > 1) throw several(header);
}

/** The name of a parameter can contain escapes. This cheap test ends the check for almost every request. */
const MAY_NAME_TOKEN = /access_token|%/;

function hasTokenInQuery(url = ''): boolean {
  const start = url.indexOf('?');
  if (start < 0) return false;
  const query = url.slice(start + 1);
  return MAY_NAME_TOKEN.test(query) && new URLSearchParams(query).has('access_token');
}

function hasTokenInForm(request: HttpRequest): boolean {
  const { body } = request;
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, 'access_token')) return false;
  const type = headerOf(request, 'content-type')?.toLowerCase();
  return type?.startsWith('application/x-www-form-urlencoded') ?? false;
}

function malformed(header = AUTHORIZATION): SigraError {
  return refuse('invalid_request', `The ${displayed(header)} header is malformed.`);
}

function several(header: string): SigraError {
  return refuse('invalid_request', `The request has several ${displayed(header)} headers.`);
}

/** For a request that has different credentials in several places. */
export function twoCredentials(): SigraError {
  return refuse('invalid_request', 'The request has two credentials.');
}

/** The usual spelling of a header: `X-Api-Key`. */
export function displayed(header: string): string {
  return header.replace(/(?<=^|-)[a-z]/g, (letter) => letter.toUpperCase());
}
