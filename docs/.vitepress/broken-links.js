import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Links within the built site that lead to no file, or to no element of a page, as `page: link`. */
export function brokenLinks(folder, base) {
  const pages = new Map(
    readdirSync(folder, { recursive: true })
      .filter((file) => file.endsWith('.html'))
      .map((file) => [file, readFileSync(join(folder, file), 'utf8')]),
  );
  const idsOf = new Map(
    [...pages].map(([file, html]) => [file, new Set([...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id))]),
  );
  const isBroken = (from, href) => {
    const { origin, pathname, hash } = new URL(href, `https://site.invalid${base}${from}`);
    if (origin !== 'https://site.invalid') return false;
    const path = decodeURIComponent(pathname).slice(base.length);
    const file = path === '' ? 'index.html' : [path, `${path}.html`].find((each) => isFile(join(folder, each)));
    if (file === undefined) return true;
    return hash !== '' && idsOf.has(file) && !idsOf.get(file).has(decodeURIComponent(hash.slice(1)));
  };
  return [...pages].flatMap(([file, html]) =>
    [...html.matchAll(/\s(?:href|src)="([^"]+)"/g)]
      .map(([, href]) => href.replaceAll('&amp;', '&'))
      .filter((href) => isBroken(file, href))
      .map((href) => `${file}: ${href}`),
  );
}

function isFile(path) {
  return existsSync(path) && statSync(path).isFile();
}
