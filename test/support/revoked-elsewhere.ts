import { randomUUID } from 'node:crypto';
import { onDatabase } from './database.js';

interface Issued {
  /** Presents the credential. */
  readonly present: (url: string) => Promise<number>;
  readonly revoke: (url: string) => Promise<number>;
}

/** How many credentials were revoked, and the statuses of the next request on each other node. */
export interface Revocations {
  readonly revoked: number;
  readonly refused: Readonly<Record<string, number>>;
  /** Answers that were 503 and repeated. */
  readonly unavailable: number;
}

const SCOPES = ['read:notes'];
const AT_ONCE = 16;

/**
 * Credentials that every node has accepted are revoked through one node and presented to each of the others at once.
 *
 * @param urls of the nodes
 * @param count of revocations of each kind
 */
export async function revokeElsewhere(
  databaseUrl: string,
  urls: readonly string[],
  count: number,
): Promise<Revocations> {
  let unavailable = 0;
  /** Repeats a request that is answered with 503: only then neither acceptance nor refusal is known. */
  const send = async (url: string, method: string, headers: Readonly<Record<string, string>>, body?: object) => {
    for (;;) {
      const response = await fetch(url, {
        method,
        headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
        ...(body && { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      if (response.status !== 503) return { status: response.status, text };
      unavailable++;
    }
  };
  const issue = async (url: string, path: string, userId: string, body: object, field: string) => {
    const { status, text } = await send(`${url}${path}`, 'POST', { 'x-session-user': userId }, body);
    if (status >= 300) throw new Error(`POST ${path} was answered with ${status}: ${text}`);
    const issued = JSON.parse(text) as Record<string, string> & { readonly token?: { readonly id: string } };
    return { raw: issued[field]!, id: issued.token?.id };
  };
  const token = (url: string, userId: string) =>
    issue(url, '/api/tokens', userId, { name: 'CI', scopes: SCOPES }, 'rawToken');
  const jwt = (url: string, userId: string) => issue(url, '/api/jwt', userId, { scopes: SCOPES }, 'access_token');
  const present = (raw: string) => async (url: string) =>
    (await send(`${url}/me`, 'GET', { authorization: `Bearer ${raw}` })).status;
  const change = (method: string, path: string, userId: string) => async (url: string) =>
    (await send(`${url}${path}`, method, { 'x-session-user': userId })).status;
  const kinds: readonly ((url: string, userId: string) => Promise<Issued>)[] = [
    async (url, userId) => {
      const { raw, id } = await token(url, userId);
      return { present: present(raw), revoke: change('DELETE', `/api/tokens/${id!}`, userId) };
    },
    async (url, userId) => {
      const { raw } = await jwt(url, userId);
      return { present: present(raw), revoke: change('POST', '/me/sign-out-everywhere', userId) };
    },
    async (url, userId) => {
      const { raw } = await token(url, userId);
      return { present: present(raw), revoke: change('POST', '/me/lock-out', userId) };
    },
    async (url, userId) => {
      const { raw } = await jwt(url, userId);
      return { present: present(raw), revoke: change('POST', '/me/lock-out', userId) };
    },
  ];
  const refused: Record<string, number> = {};
  let revoked = 0;
  let turn = 0;
  const client = async (userId: string) => {
    for (let own = turn++; own < count * kinds.length; own = turn++) {
      const [one, ...others] = [...urls.slice(own % urls.length), ...urls.slice(0, own % urls.length)];
      const credential = await kinds[Math.floor(own / count)]!(one!, userId);
      const before = await Promise.all(urls.map(credential.present));
      if (before.some((status) => status !== 200)) throw new Error(`A new credential got ${before.join(', ')}`);
      const status = await credential.revoke(one!);
      if (status !== 204) throw new Error(`A revocation was answered with ${status}`);
      revoked++;
      for (const next of await Promise.all(others.map(credential.present))) refused[next] = (refused[next] ?? 0) + 1;
    }
  };
  const ids = Array.from({ length: AT_ONCE }, () => randomUUID());
  await onDatabase(databaseUrl, (db) =>
    db.query('INSERT INTO users (id, email) SELECT id, id::text FROM unnest($1::uuid[]) AS id', [ids]),
  );
  await Promise.all(ids.map(client));
  return { revoked, refused, unavailable };
}
