import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type GenerateKeyPairResult, SignJWT } from 'jose';
import type { TrustedIssuerOptions } from 'nestjs-sigra/issuers';

/** The identifier of the API at every issuer. */
export const API = 'https://api.example';

/** A key of an issuer, with the form in which it is published. */
export interface IssuerKey {
  readonly alg: string;
  readonly privateKey: GenerateKeyPairResult['privateKey'];
  readonly jwk: Readonly<Record<string, unknown>>;
}

/** Changes of a token, compared with one that is accepted. */
export interface TokenChanges {
  /** Claims; undefined removes one. */
  readonly claims?: Readonly<Record<string, unknown>>;
  /** Members of the header; undefined removes one. */
  readonly header?: Readonly<Record<string, unknown>>;
  /** The key that signs. @default the first published one */
  readonly key?: IssuerKey;
}

/** How the server of an issuer answers. `hang` accepts connections and never answers. */
export type Behaviour = 'serve' | 'fail' | 'hang' | 'redirect' | 'huge' | 'nonsense';

export async function issuerKey(kid: string, alg = 'ES256'): Promise<IssuerKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

/** An authorization server of somebody else: it publishes metadata and keys, and signs access tokens. */
export class ForeignIssuer {
  /** The paths that were asked for. */
  readonly requests: string[] = [];
  behaviour: Behaviour = 'serve';
  /** The published keys. */
  keys: IssuerKey[] = [];
  /** Changes of the published metadata. */
  metadata: Readonly<Record<string, unknown>> = {};
  private readonly server = createServer((request, response) => this.answer(request, response));

  private constructor(private readonly now: () => Date) {}

  /** @param now the time of its tokens. @default that of the system */
  static async start(now: () => Date = () => new Date(), alg = 'ES256'): Promise<ForeignIssuer> {
    const issuer = new ForeignIssuer(now);
    issuer.server.listen(0, '127.0.0.1');
    await once(issuer.server, 'listening');
    issuer.keys = [await issuerKey('key-1', alg)];
    return issuer;
  }

  /** Its identifier, which is also where its metadata is. */
  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Options that accept its tokens. The user is the one in `sub`. */
  options(changes: Partial<TrustedIssuerOptions> = {}): TrustedIssuerOptions {
    return { issuer: this.url, audience: API, algorithms: ['ES256'], owner: ({ sub }) => sub, ...changes };
  }

  /** An access token of five minutes. */
  sign(sub: string, { claims, header, key = this.keys[0]! }: TokenChanges = {}): Promise<string> {
    const iat = Math.floor(this.now().getTime() / 1000);
    const payload = {
      iss: this.url,
      aud: API,
      sub,
      iat,
      exp: iat + 300,
      jti: 'token-1',
      scope: 'read:notes',
      ...claims,
    };
    return new SignJWT(payload)
      .setProtectedHeader({ alg: key.alg, kid: key.jwk.kid as string, typ: 'at+jwt', ...header })
      .sign(key.privateKey, { crit: { 'https://example.com/x': true } });
  }

  async close(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? '';
    this.requests.push(path);
    if (this.behaviour === 'hang') return;
    if (this.behaviour === 'fail') {
      response.writeHead(500).end();
      return;
    }
    if (this.behaviour === 'redirect') {
      response.writeHead(302, { location: `${this.url.replace('127.0.0.1', 'localhost')}/moved` }).end();
      return;
    }
    if (this.behaviour === 'nonsense') {
      response.end('<html>');
      return;
    }
    if (this.behaviour === 'huge') {
      response.write('{"keys":[');
      const more = () => {
        while (!response.destroyed && response.write(' '.repeat(65_536)));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
      return;
    }
    response.setHeader('content-type', 'application/json');
    if (path.includes('/.well-known/')) {
      response.end(JSON.stringify({ issuer: this.url, jwks_uri: `${this.url}/keys`, ...this.metadata }));
    } else {
      response.end(JSON.stringify({ keys: this.keys.map(({ jwk }) => jwk) }));
    }
  }
}
