import { headerOf, type HttpRequest } from './http-exchange.js';

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Whether a request that relies on a cookie may act. Browsers attach cookies to what other sites make them send; they
 * also say where it comes from, first in `Sec-Fetch-Site`, else in `Origin`. What says neither is no browser.
 */
export function mayActWithCookie(request: HttpRequest, trustedOrigins: ReadonlySet<string>): boolean {
  if (SAFE_METHODS.has(request.method)) return true;
  const origin = headerOf(request, 'origin');
  if (origin !== undefined && trustedOrigins.has(origin)) return true;
  const site = headerOf(request, 'sec-fetch-site');
  if (site !== undefined) return site === 'same-origin' || site === 'none';
  return origin === undefined || hostOf(origin) === headerOf(request, 'host')?.toLowerCase();
}

/** Host and port of an origin. `null`, which sandboxed pages send, has none. */
function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}
