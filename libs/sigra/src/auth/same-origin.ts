import { type Carrier, headerOf, type HttpRequest } from './http-exchange.js';

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Whether a request that relies on a cookie may change something. Browsers attach cookies to requests that other sites
 * cause; they also name the source, in `Sec-Fetch-Site` or else in `Origin`. A request with neither is from no browser.
 *
 * @param carrier of a message: no handshake of a WebSocket is safe, and its `Origin` decides first, which browsers always send
 */
export function mayActWithCookie(
  request: HttpRequest,
  trustedOrigins: ReadonlySet<string>,
  carrier?: Carrier,
): boolean {
  if (carrier === undefined && isSafe(request)) return true;
  const origin = headerOf(request, 'origin');
  if (origin !== undefined && trustedOrigins.has(origin)) return true;
  const site = headerOf(request, 'sec-fetch-site');
  if (site !== undefined && (carrier === undefined || origin === undefined))
    return site === 'same-origin' || site === 'none';
  return origin === undefined || isOwnOrigin(origin, request);
}

/** A WebSocket begins with a GET, which other sites can send too, and then carries any message. */
function isSafe(request: HttpRequest): boolean {
  const { method, originalMethod = method, raw } = request;
  // Middleware that overrides a method keeps the one that was sent at most as `originalMethod`.
  const methods = [method, originalMethod, raw?.method ?? method];
  if (!methods.every((each) => SAFE_METHODS.has(each)) || headerOf(request, 'upgrade') !== undefined) return false;
  return !hasBodyOfBrowser(request);
}

/**
 * Whether a browser has sent the request with a method that allows a body, whatever the method is now. A browser sends
 * `Content-Length` with such methods only, also for an empty body, and then always names the origin. Some proxies add a
 * length to every request, so one without an origin does not count.
 */
function hasBodyOfBrowser(request: HttpRequest): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  return (length !== undefined || encoding !== undefined) && headerOf(request, 'origin') !== undefined;
}

function isOwnOrigin(origin: string, request: HttpRequest): boolean {
  // HTTP/2 has no Host header.
  const authority = headerOf(request, 'host') ?? headerOf(request, ':authority');
  // Sandboxed pages send `null`, which is not a URL. A request without a host has no origin to compare with.
  if (!authority || !URL.canParse(origin)) return false;
  const { protocol, host } = new URL(origin);
  // The reverse proves nothing: behind a proxy that ends TLS, an https request looks like http.
  if (protocol === 'http:' && request.protocol === 'https') return false;
  // Parsed with the origin's scheme, so that case and a default port make no difference.
  const own = `${protocol}//${authority}`;
  return URL.canParse(own) && new URL(own).host === host;
}
