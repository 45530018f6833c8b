import { baseUrlOf, isPlainUrl, type ResolvedMetadata } from './metadata.section.js';
import { list, oneOf, seconds } from './option-kinds.js';
import { section, type SpecsOf } from './option-section.js';
import { SigraConfigError } from './sigra-config-error.js';
import type { DpopAlgorithm, DpopMode, DpopOptions } from './sigra-options.js';

/** All algorithms of proofs, with both names of Ed25519: of RFC 8037 and of RFC 9864. */
const DPOP_ALGORITHMS: readonly DpopAlgorithm[] = ['ES256', 'ES384', 'EdDSA', 'Ed25519', 'PS256', 'RS256', 'RS512'];

export const dpopSection = section({
  mode: oneOf<DpopMode, DpopMode>(['off', 'optional', 'required'], { default: 'off' }),
  baseUrls: list({
    accepts: 'array of `http` or `https` URLs without a query',
    matches: isPlainUrl,
    hint: 'a URL looks like "https://myapp.example", without a query',
    default: [],
  }),
  algorithms: list({
    accepts: `array of ${DPOP_ALGORITHMS.map((each) => `\`${each}\``).join(', ')}`,
    matches: (value) => DPOP_ALGORITHMS.some((each) => each === value),
    hint: `use asymmetric algorithms: ${DPOP_ALGORITHMS.join(', ')}`,
    default: DPOP_ALGORITHMS,
  }),
  proofTtl: seconds({ min: 1, max: 300, default: 60 }),
} satisfies SpecsOf<DpopOptions>);

/** How proofs are verified, where they are. */
export interface DpopConfig {
  /** Whether access tokens without a key are refused, and none are issued. */
  readonly required: boolean;
  /** Where clients reach the root of the application, without a slash at the end. */
  readonly baseUrls: readonly string[];
  readonly algorithms: readonly string[];
  /** In seconds. */
  readonly proofTtl: number;
}

/**
 * The settings of DPoP after the defaults that depend on other sections.
 *
 * @returns undefined when DPoP is off
 * @throws SigraConfigError when the URL of the application is not known, or no algorithm is left
 */
export function resolveDpop(
  { mode, baseUrls, algorithms, proofTtl }: ReturnType<typeof dpopSection.resolve>,
  issuer: string,
  metadata: ResolvedMetadata,
): DpopConfig | undefined {
  if (mode === 'off') return undefined;
  if (algorithms.length === 0) throw new SigraConfigError('jwt.dpop.algorithms', 'is empty; leave it out for all');
  const base = baseUrlOf(metadata, issuer);
  const known = baseUrls.length === 0 && base !== undefined ? [base] : baseUrls;
  if (known.length === 0) {
    throw new SigraConfigError(
      'jwt.dpop.baseUrls',
      'is missing, and jwt.issuer is not a URL; give the URL of the application, such as "https://myapp.example"',
    );
  }
  return Object.freeze({
    required: mode === 'required',
    baseUrls: known.map((url) => url.replace(/\/+$/, '')),
    algorithms,
    proofTtl,
  });
}
