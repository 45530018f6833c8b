import { refuse, type SigraError } from '../common/sigra-error.js';
import { headerOf, type HttpRequest } from './http-exchange.js';

/** The content of an `Authorization` header. */
export type AuthorizationHeader =
  | { readonly kind: 'absent' }
  /** A scheme other than Bearer: no credential of Sigra's, but the session does not count beside it. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'bearer'; readonly credential: string };

const ABSENT: AuthorizationHeader = { kind: 'absent' };
const FOREIGN: AuthorizationHeader = { kind: 'foreign' };

/** `1*SP b64token` of RFC 6750 section 2.1: the part after the scheme. */
const CREDENTIAL = /^ +([A-Za-z0-9\-._~+/]+=*) *$/;
/** `token` of RFC 9110 section 5.6.2: the syntax of a scheme. */
const SCHEME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/**
 * Reads the bearer credential of a request, from the `Authorization` header and nowhere else.
 *
 * @throws SigraError `invalid_request` for a malformed header, several of them, or an `access_token` in the query or in
 * a form (RFC 6750 sections 2 and 3.1)
 */
export function readAuthorization(request: HttpRequest): AuthorizationHeader {
  if (hasTokenInQuery(request.url) || hasTokenInForm(request)) {
    throw refuse('invalid_request', 'Access tokens are accepted in the Authorization header only.');
  }
  const header = splitAuthorization(request);
  if (!header) return ABSENT;
  const { scheme, rest } = header;
  if (scheme.toLowerCase() !== 'bearer') {
    if (!SCHEME.test(scheme)) throw malformed();
    return FOREIGN;
  }
  const credential = CREDENTIAL.exec(rest)?.[1];
  if (credential === undefined) throw malformed();
  return { kind: 'bearer', credential };
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
  const header = headerOf(request, 'authorization');
  if (header === undefined) return undefined;
  assertSingle(request);
  const space = header.indexOf(' ');
  const scheme = space < 0 ? header : header.slice(0, space);
  return { scheme, rest: header.slice(scheme.length) };
}

/** Node keeps the first of several `Authorization` headers and drops the rest; only the raw list has all of them. */
function assertSingle(request: HttpRequest): void {
  const rawHeaders = request.rawHeaders ?? request.raw?.rawHeaders ?? [];
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index];
    if (name?.length === 13 && name.toLowerCase() === 'authorization') count++;
  }
  if (count > 1) throw refuse('invalid_request', 'The request has several Authorization headers.');
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

function malformed(): SigraError {
  return refuse('invalid_request', 'The Authorization header is malformed.');
}
