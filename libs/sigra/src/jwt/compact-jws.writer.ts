import { Deadline } from '../common/deadline.js';
import { SigraError } from '../common/sigra-error.js';
import type { JwtKey } from '../config/jwt-keys.js';
import { jwsSignatureOf, signJws, verifyJws } from './jws.algorithms.js';

/** Writes access tokens (RFC 9068) as signed JWTs in the compact form (RFC 7515 section 7.1). */
export class CompactJwsWriter {
  private readonly header: string;

  /** @param timeout how long the signer of the application can take, in milliseconds */
  constructor(
    private readonly key: JwtKey,
    private readonly timeout: number,
  ) {
    const { kid, algorithm } = key;
    this.header = encoded({ typ: 'at+jwt', alg: algorithm, kid });
  }

  /**
   * @throws SigraError `unavailable` when the signer of the application fails, or takes too long
   * @throws Error when its signature is not that of the public key
   */
  async write(claims: object): Promise<string> {
    const input = `${this.header}.${encoded(claims)}`;
    const signature = await this.sign(Buffer.from(input));
    return `${input}.${signature.toString('base64url')}`;
  }

  private async sign(input: Buffer): Promise<Buffer> {
    const { algorithm, signingKey, signer, verifyingKey } = this.key;
    if (signingKey) return signJws(algorithm, signingKey, input);
    if (!signer) throw new Error('sigra: the signing key cannot sign');
    const made = await withinTime(async () => signer(Buffer.from(input)), this.timeout);
    const signature = jwsSignatureOf(algorithm, Buffer.from(made));
    // The tokens of a signer with another key would be refused everywhere.
    if (!verifyJws(algorithm, verifyingKey, input, signature)) {
      throw new Error('sigra: jwt.keys[].sign returned a signature that does not match publicKey');
    }
    return signature;
  }
}

async function withinTime<T>(work: () => Promise<T>, timeout: number): Promise<T> {
  try {
    return await Deadline.after(timeout).limit(work(), tooLate);
  } catch (cause) {
    throw new SigraError('unavailable', 'The signer of access tokens did not answer.', { cause });
  }
}

function tooLate(): SigraError {
  return new SigraError('unavailable', 'The signer of access tokens did not answer in time.');
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
