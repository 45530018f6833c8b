import { Injectable } from '@nestjs/common';
import { limitFurther } from '../common/deadline.js';
import { refuse } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { DpopProofVerifier, type VerifiedDpopProof } from '../jwt/dpop-proof.verifier.js';
import { headerOf, HttpCaller, type HttpRequest } from './http-exchange.js';

/** A proof of a request, and its use. */
interface RequestProof {
  readonly proof: VerifiedDpopProof;
  used?: Promise<void>;
}

const PROOF_HEADER = 'dpop';

/** Verifies the DPoP proofs of HTTP requests (RFC 9449). */
@Injectable()
export class DpopService {
  /**
   * The proofs of each request. Several guards, the fields of a GraphQL operation and the events of a subscription read a
   * proof again: within its own request it does not count as a replay, and does not expire.
   */
  private readonly proofs = new WeakMap<object, Map<string, RequestProof>>();

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly verifier: DpopProofVerifier,
  ) {}

  /**
   * Finds the key that a client proves to hold when it asks for tokens, for `SigraJwtService.generateTokens` in a route of
   * your own. Call it after the credentials of the client were checked: each call with a new proof writes a row.
   *
   * @param request the request of the framework, with the proof in its header `DPoP`
   * @returns the SHA-256 thumbprint of the key (RFC 7638); undefined where `jwt.dpop.mode` is `off`, and for a request
   * without a proof where it is `optional`
   * @throws SigraError `invalid_dpop_proof` for an invalid proof, one that was used before, and none where one is required;
   * `unavailable`
   */
  async thumbprintOf(request: HttpRequest): Promise<string | undefined> {
    const thumbprint = this.readThumbprint(request);
    if (thumbprint !== undefined) await this.use(request);
    return thumbprint;
  }

  /**
   * Like `thumbprintOf`, for a request with a credential that can be used only once, such as a refresh token: the proof does
   * not have to be remembered too, and a client without a valid credential cannot make rows.
   *
   * @throws SigraError `invalid_dpop_proof`
   */
  readThumbprint(request: HttpRequest): string | undefined {
    const { dpop } = this.config;
    if (!dpop || (!dpop.required && headerOf(request, PROOF_HEADER) === undefined)) return undefined;
    return this.read(request).thumbprint;
  }

  /**
   * Verifies the proof of a request without using it up.
   *
   * @param accessToken the token that it is sent with. @default none, at a token endpoint
   * @throws SigraError `invalid_dpop_proof`, also when the request has no proof
   */
  read(request: HttpRequest, accessToken?: string): VerifiedDpopProof {
    return this.proofOf(request, accessToken).proof;
  }

  /**
   * Uses the proof of a request, which `read` has verified.
   *
   * @throws SigraError `invalid_dpop_proof` when it was used before by another request; `unavailable`
   */
  use(request: HttpRequest, accessToken?: string): Promise<void> {
    const found = this.proofOf(request, accessToken);
    return (found.used ??= limitFurther(
      new HttpCaller(request),
      this.config.lookupTimeout,
      this.verifier.use(found.proof),
    ));
  }

  private proofOf(request: HttpRequest, accessToken?: string): RequestProof {
    const header = headerOf(request, PROOF_HEADER);
    if (header === undefined) throw refuse('invalid_dpop_proof', 'The request has no DPoP proof.');
    // Node joins several headers.
    if (header.includes(',')) throw refuse('invalid_dpop_proof', 'The request has several DPoP headers.');
    const known = this.knownProofs(request);
    const key = `${header} ${accessToken ?? ''}`;
    const found = known.get(key);
    if (found) return found;
    const { method, originalUrl, url } = request;
    const proof = this.verifier.verify(header, { method, path: originalUrl ?? url ?? '' }, accessToken);
    const made: RequestProof = { proof };
    known.set(key, made);
    return made;
  }

  private knownProofs(request: HttpRequest): Map<string, RequestProof> {
    // On Fastify, Nest and GraphQL have different objects for one request of Node.
    const message = request.raw ?? request;
    const known = this.proofs.get(message) ?? new Map<string, RequestProof>();
    this.proofs.set(message, known);
    return known;
  }
}
