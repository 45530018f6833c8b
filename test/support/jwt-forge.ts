import { createHmac, generateKeyPairSync, type KeyObject, randomBytes, randomUUID, sign } from 'node:crypto';
import { SignJWT } from 'jose';
import type { JwtAlgorithm, JwtKeyOptions } from 'nestjs-sigra';

type JsonObject = Readonly<Record<string, unknown>>;

/** A key that the application knows, with its private part. */
export interface ForgeKey {
  readonly kid: string;
  readonly alg: JwtAlgorithm;
  readonly signs: KeyObject | Buffer;
  /** The entry of `jwt.keys` for this key. */
  readonly option: JwtKeyOptions;
}

/** A token that the application accepts, with everything needed to make another one. */
export interface GoodToken {
  readonly jwt: string;
  readonly header: JsonObject;
  readonly payload: JsonObject;
  readonly key: ForgeKey;
}

export function rsaKey(kid: string, bits = 2048): ForgeKey {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: bits });
  return { kid, alg: 'RS256', signs: privateKey, option: { kid, privateKey } };
}

export function ecKey(kid: string): ForgeKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { kid, alg: 'ES256', signs: privateKey, option: { kid, privateKey } };
}

/** A key of any asymmetric algorithm. */
export function keyOf(alg: Exclude<JwtAlgorithm, 'HS256'>, kid: string): ForgeKey {
  if (alg === 'EdDSA') {
    const { privateKey } = generateKeyPairSync('ed25519');
    return { kid, alg, signs: privateKey, option: { kid, privateKey } };
  }
  if (alg === 'ES256' || alg === 'ES384') {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: alg === 'ES256' ? 'P-256' : 'P-384' });
    return { kid, alg, signs: privateKey, option: { kid, privateKey } };
  }
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { kid, alg, signs: privateKey, option: { kid, privateKey, algorithm: alg } };
}

export function secretKey(kid: string, secret: Buffer = randomBytes(32)): ForgeKey {
  return { kid, alg: 'HS256', signs: secret, option: { kid, secret } };
}

/** The claims of RFC 9068 section 2.2, and no others. */
export function standardClaims(sub: string, now: Date): JsonObject {
  const iat = Math.floor(now.getTime() / 1000);
  return {
    iss: 'https://issuer.example',
    sub,
    aud: 'api',
    client_id: 'api',
    iat,
    exp: iat + 900,
    jti: randomUUID(),
    scope: 'read:notes',
  };
}

/** Signs with `jose`, an independent implementation of the standards. */
export async function signWithJose(key: ForgeKey, payload: JsonObject): Promise<GoodToken> {
  const header = { alg: key.alg, typ: 'at+jwt', kid: key.kid };
  const jwt = await new SignJWT({ ...payload }).setProtectedHeader(header).sign(key.signs);
  return { jwt, header, payload, key };
}

/** The same token with a changed header or payload and a valid signature. `undefined` removes a member. */
export function resign(good: GoodToken, change: { header?: JsonObject; payload?: JsonObject }): string {
  return seal(
    JSON.stringify({ ...good.header, ...change.header }),
    JSON.stringify({ ...good.payload, ...change.payload }),
    good.key,
  );
}

/** The same token, padded by a meaningless claim to a length in characters. */
export function resignToLength(good: GoodToken, length: number, payload: JsonObject = {}): string {
  // Four base64url characters encode three of JSON, so one length in four needs another header.
  for (const pad of ['', 'x', 'xx', 'xxx']) {
    const made = (size: number) => resign(good, { header: { pad }, payload: { ...payload, fill: 'x'.repeat(size) } });
    const size = Math.floor(((length - made(0).length) * 3) / 4);
    const found = [size - 1, size, size + 1].map(made).find((jwt) => jwt.length === length);
    if (found) return found;
  }
  throw new Error(`No token has ${length} characters`);
}

/** Signs any bytes as header and payload, which `jose` would refuse to. */
export function seal(header: string | Buffer, payload: string | Buffer, key: ForgeKey): string {
  return sealSegments(base64url(header), base64url(payload), key);
}

/** Signs any two segments, whether they are base64url or not. */
export function sealSegments(header: string, payload: string, key: ForgeKey): string {
  const signed = `${header}.${payload}`;
  return `${signed}.${signatureOf(signed, key).toString('base64url')}`;
}

export function signatureOf(signed: string, { alg, signs }: Pick<ForgeKey, 'alg' | 'signs'>): Buffer {
  if (alg === 'HS256') return createHmac('sha256', signs).update(signed).digest();
  const key = signs as KeyObject;
  return sign('sha256', Buffer.from(signed), alg === 'ES256' ? { key, dsaEncoding: 'ieee-p1363' } : key);
}

export function base64url(bytes: string | Buffer): string {
  return Buffer.from(bytes as string).toString('base64url');
}

/** The three segments of a compact JWS. */
export function segments(jwt: string): [header: string, payload: string, signature: string] {
  const [header = '', payload = '', signature = ''] = jwt.split('.');
  return [header, payload, signature];
}
