/** Where people go when they did not ask for anything in particular. */
export const HOME = '/settings/tokens';

/** Any origin will do: it only serves to see whether a path leads away from it. */
const HERE = 'http://here.invalid';

/**
 * The path to go to after signing in, or `HOME` for everything that leads to another site: whoever sends a link to
 * the sign-in page must not decide where it ends.
 */
export function returnPath(wanted: unknown): string {
  if (typeof wanted !== 'string' || !wanted.startsWith('/') || !URL.canParse(wanted, HERE)) return HOME;
  const { origin, pathname, search } = new URL(wanted, HERE);
  // `/.//elsewhere.example` becomes `//elsewhere.example`, which a browser takes for another host.
  return origin === HERE && !pathname.startsWith('//') ? pathname + search : HOME;
}

/** The sign-in page that leads back to where the request came from. */
export function loginPath({ method, url }: { method: string; url: string }): string {
  const back = method === 'GET' ? returnPath(url) : HOME;
  return back === HOME ? '/login' : `/login?${new URLSearchParams({ next: back }).toString()}`;
}
