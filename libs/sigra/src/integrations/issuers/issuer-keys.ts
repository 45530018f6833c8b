import { createLocalJWKSet } from 'jose';
import { isSafeUrl, readDocument } from '../../common/remote-document.js';
import { MAX_KEYS, RemoteKeys } from '../../common/remote-keys.js';
import type { TrustedIssuer } from './trusted-issuer.section.js';

/** Finds the key of a token, by its `kid` and `alg`. */
export type KeySet = ReturnType<typeof createLocalJWKSet>;

/** Shortest time between two readings because of an unknown `kid`, in milliseconds. */
const COOL_DOWN = 30_000;

/** What the keys of an issuer depend on. */
type KeyIssuer = Pick<TrustedIssuer, 'issuer' | 'source' | 'allowInsecure' | 'keysMaxAge' | 'algorithms'>;

/** The keys of one issuer. */
export class IssuerKeys extends RemoteKeys<KeySet> {
  constructor(issuer: KeyIssuer) {
    super({
      context: 'SigraIssuers',
      name: issuer.issuer,
      role: 'issuer',
      maxAge: issuer.keysMaxAge,
      coolDown: COOL_DOWN,
      read: (signal) => readKeys(issuer, signal),
    });
  }
}

async function readKeys(issuer: KeyIssuer, signal: AbortSignal): Promise<KeySet> {
  const { source } = issuer;
  const url = 'jwksUri' in source ? source.jwksUri : await discover(issuer, source.metadataUrl, signal);
  const { keys } = await readDocument(url, signal);
  if (!Array.isArray(keys) || keys.length > MAX_KEYS)
    throw new Error(`${url} has no array of at most ${MAX_KEYS} keys`);
  return createLocalJWKSet({ keys: keys.filter(isPublicKey) });
}

/** The `jwks_uri` of the metadata (OpenID Connect Discovery section 4.3, RFC 8414 section 3.3). */
async function discover(
  { issuer: expected, allowInsecure }: KeyIssuer,
  metadataUrl: string,
  signal: AbortSignal,
): Promise<string> {
  const { issuer, jwks_uri: jwksUri } = await readDocument(metadataUrl, signal);
  if (issuer !== expected) throw new Error(`${metadataUrl} is the metadata of another issuer`);
  if (isSafeUrl(jwksUri, allowInsecure)) return jwksUri;
  throw new Error(`${metadataUrl} has no safe jwks_uri`);
}

/** Whether a key can be public: a shared secret, of type `oct`, must never verify. */
function isPublicKey(key: unknown): key is object {
  return typeof key === 'object' && key !== null && (key as { kty?: unknown }).kty !== 'oct';
}
