import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '../common/clock.js';
import { hashSecret } from '../common/secret.js';
import { refuse, type SigraError } from '../common/sigra-error.js';
import type { DpopConfig } from '../config/dpop.section.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { DpopAlgorithm, JwtAlgorithm } from '../config/sigra-options.js';
import { DpopProofRepository } from '../persistence/dpop-proof.repository.js';
import { assertNoExtensions, decodeSegment, type JsonObject, parseSegment, splitJws } from './compact-jws.js';
import { type DpopKey, dpopKeyOf } from './dpop-key.js';
import { isRequestUrl, type RequestTarget } from './dpop-target.js';
import { verifyJws } from './jws.algorithms.js';
import { enabledJwt } from './enabled-jwt.js';

/** A proof whose claims and signature are valid. */
export interface VerifiedDpopProof {
  /** The thumbprint of its key. */
  readonly thumbprint: string;
  /** The hash by which its use is remembered. */
  readonly hash: string;
}

const CODE = 'invalid_dpop_proof';

/** Verifies proofs that a client holds a key (RFC 9449 section 4.3). */
@Injectable()
export class DpopProofVerifier {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly proofs: DpopProofRepository,
  ) {}

  /**
   * Verifies a proof, and asks nothing of the database.
   *
   * @param target the request that has the proof
   * @param accessToken the token that the proof is sent with. @default none, at a token endpoint
   * @throws SigraError `invalid_dpop_proof`
   * @throws TypeError where DPoP is off
   */
  verify(proof: string, target: RequestTarget, accessToken?: string): VerifiedDpopProof {
    const { dpop } = this.config;
    if (!dpop) throw new TypeError("sigra: no proof can be verified while jwt.dpop.mode is 'off'");
    const { header, payload, signature, signed } = splitJws(proof, CODE);
    const { key, thumbprint, algorithm } = keyOf(parseSegment(header, 'header', CODE), dpop);
    const bytes = decodeSegment(signature, 'signature', CODE);
    if (!hasSignature(algorithm, key, signed, bytes)) throw invalid('The signature is invalid.');
    const claims = parseSegment(payload, 'payload', CODE);
    const { htm, htu, jti, ath } = claims;
    if (htm !== target.method) throw invalid('htm is not the method of the request.');
    if (!isRequestUrl(htu, target, dpop.baseUrls)) throw invalid('htu is not the URL of the request.');
    this.assertTime(claims, dpop);
    if (typeof jti !== 'string' || jti === '') throw invalid('jti is missing or not a valid string.');
    if (accessToken !== undefined && ath !== hash('sha256', accessToken, 'base64url')) {
      throw invalid('ath is not the hash of the access token.');
    }
    return { thumbprint, hash: hashSecret(`${thumbprint}.${jti}`) };
  }

  /**
   * Uses a proof that was verified: it is accepted once, on one node (RFC 9449 section 11.1).
   *
   * @throws SigraError `invalid_dpop_proof` when it was used before, `unavailable`
   */
  async use({ hash }: VerifiedDpopProof): Promise<void> {
    if (!(await this.proofs.use(hash))) throw invalid('The proof was used before.');
  }

  private assertTime({ iat, exp, nbf }: JsonObject, { proofTtl }: DpopConfig): void {
    const { clockTolerance } = enabledJwt(this.config);
    const now = this.clock.now().getTime() / 1000;
    if (typeof iat !== 'number') throw invalid('iat is missing or not a valid timestamp.');
    if (iat > now + clockTolerance) throw invalid('iat is in the future.');
    if (iat + proofTtl + clockTolerance <= now) throw invalid('iat is too long ago.');
    if (exp !== undefined && !(typeof exp === 'number' && exp + clockTolerance > now)) throw invalid('exp has passed.');
    if (nbf !== undefined && !(typeof nbf === 'number' && nbf <= now + clockTolerance)) {
      throw invalid('nbf is in the future.');
    }
  }
}

function keyOf(header: JsonObject, { algorithms }: DpopConfig): DpopKey & { readonly algorithm: DpopAlgorithm } {
  const { typ, alg, jwk } = header;
  if (typ !== 'dpop+jwt') throw invalid('typ is not dpop+jwt.');
  assertNoExtensions(header, invalid);
  const algorithm = algorithms.find((each) => each === alg) as DpopAlgorithm | undefined;
  if (algorithm === undefined) throw invalid(`alg is not one of ${algorithms.join(', ')}.`);
  return { ...dpopKeyOf(jwk, algorithm), algorithm };
}

function hasSignature(algorithm: DpopAlgorithm, key: DpopKey['key'], signed: Buffer, signature: Buffer): boolean {
  const name: JwtAlgorithm = algorithm === 'Ed25519' ? 'EdDSA' : algorithm;
  try {
    return verifyJws(name, key, signed, signature);
  } catch {
    // OpenSSL refuses some keys only when it uses them.
    return false;
  }
}

function invalid(message: string): SigraError {
  return refuse(CODE, message);
}
