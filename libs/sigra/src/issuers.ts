export { trustIssuers } from './integrations/issuers/trust-issuers.js';
export type {
  ForeignAlgorithm,
  ForeignClaims,
  ForeignOwnerId,
  TrustedIssuerOptions,
} from './integrations/issuers/trusted-issuer.options.js';
