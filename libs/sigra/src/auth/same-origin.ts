import { headerOf, type HttpRequest } from './http-exchange.js';

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Whether a request that relies on a cookie may act. Browsers attach cookies to what other sites make them send; they
 * also say where it comes from, first in `Sec-Fetch-Site`, else in `Origin`. What says neither is no browser.
 */
export function mayActWithCookie(request: HttpRequest, trustedOrigins: ReadonlySet<string>): boolean {
  if (isSafe(request)) return true;
  const origin = headerOf(request, 'origin');
  if (origin !== undefined && trustedOrigins.has(origin)) return true;
  const site = headerOf(request, 'sec-fetch-site');
  if (site !== undefined) return site === 'same-origin' || site === 'none';
  return origin === undefined || isOwnOrigin(origin, request);
}

/** A WebSocket begins with a GET, which other sites can send too, and then carries anything. */
function isSafe(request: HttpRequest): boolean {
  return SAFE_METHODS.has(request.method) && headerOf(request, 'upgrade') === undefined;
}

function isOwnOrigin(origin: string, request: HttpRequest): boolean {
  // HTTP/2 has no Host header.
  const authority = headerOf(request, 'host') ?? headerOf(request, ':authority');
  // `null`, which sandboxed pages send, is no URL; and nothing is of the same origin as a request that names no host.
  if (!authority || !URL.canParse(origin)) return false;
  const { protocol, host } = new URL(origin);
  // The reverse is no proof: where a proxy ends TLS, a request that came by https may look like http.
  if (protocol === 'http:' && request.protocol === 'https') return false;
  // Read with the origin's scheme, so that case and a default port make no difference.
  const own = `${protocol}//${authority}`;
  return URL.canParse(own) && new URL(own).host === host;
}
