import { SigraError } from '../common/sigra-error.js';
import { headerOf, type HttpRequest } from './http-exchange.js';

/** What a request says in its `Authorization` header. */
export type AuthorizationHeader =
  | { readonly kind: 'absent' }
  /** Another scheme than Bearer: no credential of ours, but it still keeps the session out. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'bearer'; readonly credential: string };

const ABSENT: AuthorizationHeader = { kind: 'absent' };
const FOREIGN: AuthorizationHeader = { kind: 'foreign' };

/** `b64token` of RFC 6750 section 2.1. */
const B64_TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;

/**
 * Reads the bearer credential of a request, from the `Authorization` header and nowhere else.
 *
 * @throws SigraError `invalid_request` for a malformed header, several of them, or an `access_token` in the query or in
 * a form (RFC 6750 sections 2 and 3.1)
 */
export function readAuthorization(request: HttpRequest): AuthorizationHeader {
  if (hasTokenOutsideHeader(request)) {
    throw new SigraError('invalid_request', 'Access tokens are accepted in the Authorization header only.');
  }
  const header = headerOf(request, 'authorization');
  if (header === undefined) return ABSENT;
  assertSingle(request);
  const space = header.indexOf(' ');
  const scheme = space < 0 ? header : header.slice(0, space);
  if (scheme.toLowerCase() !== 'bearer') {
    if (header.trim() === '') throw malformed();
    return FOREIGN;
  }
  const credential = space < 0 ? '' : header.slice(space + 1).trim();
  if (!B64_TOKEN.test(credential)) throw malformed();
  return { kind: 'bearer', credential };
}

/** Node keeps the first of several `Authorization` headers and drops the rest; only the raw list shows them. */
function assertSingle(request: HttpRequest): void {
  const rawHeaders = request.rawHeaders ?? request.raw?.rawHeaders ?? [];
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index];
    if (name?.length === 13 && name.toLowerCase() === 'authorization') count++;
  }
  if (count > 1) throw new SigraError('invalid_request', 'The request has several Authorization headers.');
}

function hasTokenOutsideHeader(request: HttpRequest): boolean {
  // The cheap test comes first: hardly any request gets past it.
  if (request.url.includes('access_token')) {
    const query = request.url.indexOf('?');
    if (query >= 0 && new URLSearchParams(request.url.slice(query + 1)).has('access_token')) return true;
  }
  const { body } = request;
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, 'access_token')) return false;
  return headerOf(request, 'content-type')?.startsWith('application/x-www-form-urlencoded') ?? false;
}

function malformed(): SigraError {
  return new SigraError('invalid_request', 'The Authorization header is malformed.');
}
