/** The longest document that is read, in bytes. The keys of large issuers have 20 KB. */
export const MAX_DOCUMENT_LENGTH = 262_144;

const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|\[::1\]|(?:[^.]+\.)*localhost)$/;

/**
 * Whether keys can be read from a URL: over HTTPS, and over plain HTTP only from this host, or where the application allows it.
 * A key that is replaced on its way could sign every token.
 */
export function isSafeUrl(value: unknown, allowInsecure: boolean): value is string {
  if (typeof value !== 'string' || !URL.canParse(value)) return false;
  const { protocol, hostname, username, password } = new URL(value);
  if (username !== '' || password !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && (allowInsecure || LOOPBACK.test(hostname)));
}

/**
 * Reads a JSON object from another server. Redirects are not followed: they would lead to hosts that the application does
 * not name.
 *
 * @param url a URL that `isSafeUrl` accepts
 * @param signal ends the request
 * @throws Error for another status, a redirect, a document that is too long or not a JSON object, and when the request fails
 */
export async function readDocument(url: string, signal: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
  const response = await fetch(url, { redirect: 'manual', signal, headers: { accept: 'application/json' } });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`${url} answered with the status ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop ends the request. The header `content-length` would be that of the compressed document.
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > MAX_DOCUMENT_LENGTH) throw new Error(`${url} has more than ${MAX_DOCUMENT_LENGTH} bytes`);
    chunks.push(chunk);
  }
  const document = parse(Buffer.concat(chunks).toString('utf8'));
  if (typeof document === 'object' && document !== null) return document as Readonly<Record<string, unknown>>;
  throw new Error(`${url} is not a JSON object`);
}

/** The error of `JSON.parse` would repeat a part of the document. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
