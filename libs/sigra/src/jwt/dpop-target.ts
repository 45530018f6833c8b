/** The method and the URL of a request, as far as a proof names them. */
export interface RequestTarget {
  readonly method: string;
  /** The path below the root of the application, as it was sent; a query after it does not count. */
  readonly path: string;
}

/**
 * Whether `htu` names the URL of a request, without query and fragment (RFC 9449 section 4.3). The origin is that of the
 * configuration: anyone who sends a request chooses its `Host` header.
 *
 * @param baseUrls where clients reach the root of the application, without a slash at the end
 */
export function isRequestUrl(htu: unknown, { path }: RequestTarget, baseUrls: readonly string[]): boolean {
  if (typeof htu !== 'string' || !URL.canParse(htu)) return false;
  const { origin, pathname } = new URL(htu);
  const requested = path.split('?', 1)[0] ?? '';
  return baseUrls.some((baseUrl) => {
    const base = new URL(baseUrl);
    return base.origin === origin && sameEscapes(pathname) === sameEscapes(joined(base.pathname, requested));
  });
}

function joined(base: string, path: string): string {
  return base.replace(/\/$/, '') + (path === '' ? '/' : path);
}

const UNRESERVED = /[A-Za-z0-9\-._~]/;

/** Escapes as RFC 3986 section 6.2.2 normalizes them: in upper case, and only where they are needed. */
function sameEscapes(path: string): string {
  return path.replace(/%[0-9A-Fa-f]{2}/g, (escape) => {
    const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    return UNRESERVED.test(character) ? character : escape.toUpperCase();
  });
}
