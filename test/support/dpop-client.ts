import { createHash, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';

/** The parts of a proof that a test changes. Undefined removes a part. */
export interface ProofChanges {
  readonly header?: Readonly<Record<string, unknown>>;
  readonly claims?: Readonly<Record<string, unknown>>;
  /** The key that signs. @default the client's */
  readonly signWith?: KeyObject;
}

/** A client with a P-256 key, which makes proofs of every form. */
export class DpopClient {
  private readonly keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly jwk = this.keys.publicKey.export({ format: 'jwk' });
  readonly privateJwk = this.keys.privateKey.export({ format: 'jwk' });
  readonly privateKey = this.keys.privateKey;

  /** @param now the time of the application */
  constructor(private readonly now: () => Date = () => new Date()) {}

  get thumbprint(): string {
    const { crv, kty, x, y } = this.jwk;
    return createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
  }

  /** @param accessToken undefined at a token endpoint */
  proof(method: string, url: string, accessToken?: string, changes: ProofChanges = {}): string {
    const header = { typ: 'dpop+jwt', alg: 'ES256', jwk: this.jwk, ...changes.header };
    const claims = {
      jti: randomUUID(),
      htm: method,
      htu: url,
      iat: Math.floor(this.now().getTime() / 1000),
      ...(accessToken !== undefined && { ath: createHash('sha256').update(accessToken).digest('base64url') }),
      ...changes.claims,
    };
    const input = `${encoded(header)}.${encoded(claims)}`;
    const key = { key: changes.signWith ?? this.privateKey, dsaEncoding: 'ieee-p1363' as const };
    return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`;
  }

  /** The headers of a request for a resource. */
  headers(method: string, url: string, accessToken: string, changes?: ProofChanges): Record<string, string> {
    return { authorization: `DPoP ${accessToken}`, dpop: this.proof(method, url, accessToken, changes) };
  }
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
