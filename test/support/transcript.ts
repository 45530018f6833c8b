import type { MarkdownFile } from './markdown.js';

/** A `curl` command of a document, and the answer below it. */
export interface Exchange {
  readonly command: string;
  readonly answer: readonly string[];
}

/** The exchanges in the `console` blocks of a document. */
export function exchangesOf(document: MarkdownFile): Exchange[] {
  return document.fences
    .filter(({ language }) => language === 'console')
    .flatMap(({ code }) => code.replaceAll('\\\n', ' ').split('\n\n'))
    .map((text) => text.trim().split('\n'))
    .map(([command, ...answer]) => ({ command: command!.replace(/^\$ /, ''), answer }));
}

/**
 * Sends the request of a `curl` command: a URL on `localhost:3000`, `-i`, `-X`, `-H` and `-d`.
 *
 * @param url the real URL of the application
 * @returns the output of `curl -i`, with one header per line
 */
export async function curl(
  command: string,
  url: string,
  variables: Readonly<Record<string, string>>,
): Promise<string[]> {
  const expanded = command.replaceAll(/\$([A-Z_]+)/g, (_, name: string) => variables[name] ?? '');
  const parts = [...expanded.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, ...forms]) => forms.find((form) => form)!);
  const after = (option: string) => parts.flatMap((part, index) => (part === option ? [parts[index + 1]!] : []));
  const target = parts.find((part) => part.startsWith('localhost:3000/'))!;
  const headers = new Headers(after('-H').map((header) => header.split(': ') as [string, string]));
  const body = after('-d').join('&');
  if (body !== '' && !headers.has('content-type')) headers.set('content-type', 'application/x-www-form-urlencoded');
  const [method = body === '' ? 'GET' : 'POST'] = after('-X');

  const answer = await fetch(target.replace('localhost:3000', url), { method, headers, ...(body !== '' && { body }) });
  const lines = [...answer.headers].map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${answer.status} ${answer.statusText}`, ...lines, await answer.text()];
}

/** Lower-cases the names of headers. */
export function withPlainNames(lines: readonly string[]): string[] {
  return lines.map((line) => line.replace(/^[\w-]+(?=: )/, (name) => name.toLowerCase()));
}

/** Replaces secrets, ids and times, which differ each time, with their types. */
export function withoutValues(lines: readonly string[]): string[] {
  return withPlainNames(lines).map((line) =>
    line.startsWith('{') ? JSON.stringify(JSON.parse(line), (key, value: unknown) => shapeOf(key, value)) : line,
  );
}

const CHANGING = /^(?:rawToken|id|hint|createdAt|access_token|refresh_token)$/;

function shapeOf(key: string, value: unknown): unknown {
  return CHANGING.test(key) ? typeof value : value;
}
