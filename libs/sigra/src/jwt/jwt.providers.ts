import { AccessTokenSigner } from './access-token.signer.js';
import { AccessTokenVerifier } from './access-token.verifier.js';
import { ClientTokenIssuer } from './client-token.issuer.js';
import { DpopProofVerifier } from './dpop-proof.verifier.js';
import { ForeignTokenVerifier } from './foreign-token.verifier.js';
import { JwkSet } from './jwk-set.js';
import { JwtIntrospector } from './jwt.introspector.js';
import { RefreshTokenIssuer } from './refresh-token.issuer.js';
import { RefreshTokenRevoker } from './refresh-token.revoker.js';
import { RefreshTokenRotator } from './refresh-token.rotator.js';
import { SigraJwtService } from './sigra-jwt.service.js';

/** The providers of JWTs. */
export const jwtProviders = [
  AccessTokenSigner,
  AccessTokenVerifier,
  ClientTokenIssuer,
  DpopProofVerifier,
  ForeignTokenVerifier,
  RefreshTokenIssuer,
  RefreshTokenRotator,
  RefreshTokenRevoker,
  JwtIntrospector,
  JwkSet,
  SigraJwtService,
];
