import { Injectable } from '@nestjs/common';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';

/** A public key in JSON (RFC 7517 section 4). */
export type Jwk = Readonly<Record<string, unknown>>;

/** The public keys that verify the application's access tokens (RFC 7517 section 5). Never includes shared secrets. */
@Injectable()
export class JwkSet {
  readonly keys: readonly Jwk[];

  constructor(@InjectSigraConfig() { jwt }: SigraConfig) {
    this.keys = [...(jwt?.keys.values() ?? [])]
      .filter(({ algorithm }) => algorithm !== 'HS256')
      .map(({ kid, algorithm, verifyingKey }) => ({
        ...verifyingKey.export({ format: 'jwk' }),
        kid,
        alg: algorithm,
        use: 'sig',
      }));
  }
}
