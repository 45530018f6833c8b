/** The default page. */
export const HOME = '/settings/tokens';

/** An arbitrary origin, to detect paths that lead to another one. */
const HERE = 'http://here.invalid';

/**
 * The path to open after sign-in, or `HOME` if `wanted` leads to another site: a link to the sign-in page must not
 * redirect people to other sites.
 */
export function returnPath(wanted: unknown): string {
  if (typeof wanted !== 'string' || !wanted.startsWith('/') || !URL.canParse(wanted, HERE)) return HOME;
  const { origin, pathname, search } = new URL(wanted, HERE);
  // `/.//elsewhere.example` becomes `//elsewhere.example`, which a browser takes for another host.
  return origin === HERE && !pathname.startsWith('//') ? pathname + search : HOME;
}

/** The path of the sign-in page, which returns to the page of the request. */
export function loginPath({ method, url }: { method: string; url: string }): string {
  const back = method === 'GET' ? returnPath(url) : HOME;
  return back === HOME ? '/login' : `/login?${new URLSearchParams({ next: back }).toString()}`;
}
