import { isPlainUrl, SERVER_DOCUMENT, wellKnownUrl } from '../../config/metadata.section.js';
import { callback, claimName, clockTolerance, flag, isClaimName, list, seconds } from '../../config/option-kinds.js';
import { section, type SpecsOf } from '../../config/option-section.js';
import { none, option, type OptionSpec } from '../../config/option-spec.js';
import { SigraConfigError } from '../../config/sigra-config-error.js';
import { isWildcard } from '../../common/scope-grammar.js';
import { isSafeUrl } from '../../common/remote-document.js';
import type { ForeignAlgorithm, ForeignClaims, TrustedIssuerOptions } from './trusted-issuer.options.js';

const ALGORITHMS: readonly string[] = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] satisfies ForeignAlgorithm[];

const SAFE_URL =
  'an https URL without credentials (plain http only with a loopback address, or with allowInsecure: true)';

/** The options of one trusted issuer. */
export const trustedIssuerSection = section(
  {
    issuer: claimName({ example: 'https://tenant.eu.auth0.com/' }),
    audience: option({ accepts: 'string, or array of strings', check: checkAudience }),
    audienceClaim: claimName({ default: 'aud' }),
    algorithms: filled(
      list({
        accepts: `array of ${ALGORITHMS.map((each) => `\`${each}\``).join(', ')}`,
        matches: (item) => ALGORITHMS.includes(item),
        hint: `use asymmetric algorithms: ${ALGORITHMS.join(', ')}`,
        default: ['RS256'],
      }),
    ),
    allowInsecure: flag({ default: false }),
    jwksUri: option({ accepts: '`https` URL', default: none, check: checkUrl }),
    discovery: option({ accepts: '`openid`, `oauth`, or `https` URL', default: none, check: checkDiscovery }),
    keysMaxAge: seconds({ min: 600, default: 86_400 }),
    types: filled(
      list({
        accepts: 'array of media types without `application/`',
        matches: (item) => /^[A-Za-z0-9.+-]+$/.test(item),
        hint: 'a type looks like "at+jwt"',
        default: ['at+jwt', 'JWT'],
      }),
    ),
    idTokens: flag({ default: false }),
    clockTolerance,
    accepts: callback<(claims: ForeignClaims) => unknown>({
      accepts: '`(claims) => boolean`',
      expected: 'a function of the claims',
      default: () => () => true,
    }),
    owner: callback<TrustedIssuerOptions['owner']>({
      accepts: '`(claims) => id`, or a promise of the id',
      expected: 'a function that returns the id of a user',
      example: '({ sub }) => sub',
    }),
    scopes: callback<(claims: ForeignClaims) => unknown>({
      accepts: '`(claims) => scopes`',
      expected: 'a function of the claims that returns scopes',
      default: () => scopesInClaim,
    }),
  } satisfies SpecsOf<TrustedIssuerOptions>,
  ({ jwksUri, discovery, types, ...rest }, path) => ({
    ...rest,
    // `typ` is a media type, and letters of both cases are the same there.
    types: new Set(types.map((type) => type.toLowerCase())),
    source: sourceOf({ ...rest, jwksUri, discovery }, path),
  }),
);

/** The options of one trusted issuer, after validation. */
export type TrustedIssuer = ReturnType<typeof trustedIssuerSection.resolve>;

interface UrlSiblings {
  readonly allowInsecure: boolean;
}

function checkUrl(path: string, value: unknown, { allowInsecure }: UrlSiblings): string {
  if (isSafeUrl(value, allowInsecure)) return value;
  throw new SigraConfigError(path, `must be ${SAFE_URL}`);
}

function checkDiscovery(path: string, value: unknown, siblings: UrlSiblings): string {
  return value === 'openid' || value === 'oauth' ? value : checkUrl(path, value, siblings);
}

function checkAudience(path: string, value: unknown): readonly string[] {
  const audiences: unknown = typeof value === 'string' ? [value] : value;
  if (Array.isArray(audiences) && audiences.length > 0 && audiences.every(isClaimName))
    return Object.freeze([...audiences]);
  throw new SigraConfigError(
    path,
    'must be a non-empty string, or an array of them; without an audience, tokens for other APIs would be accepted',
  );
}

function filled(spec: OptionSpec<readonly string[]>): OptionSpec<readonly string[]> {
  return {
    ...spec,
    resolve: (path, value, siblings) => {
      const items = spec.resolve(path, value, siblings);
      if (items.length > 0) return items;
      throw new SigraConfigError(path, 'is empty, so every token would be refused; leave it out for its default');
    },
  };
}

/** Where the keys are: their URL, or that of the metadata which names it. */
function sourceOf(
  { issuer, jwksUri, discovery, allowInsecure }: KeyPlace,
  path: string,
): { readonly jwksUri: string } | { readonly metadataUrl: string } {
  if (jwksUri !== undefined) {
    if (discovery === undefined) return { jwksUri };
    throw new SigraConfigError(`${path}.discovery`, 'stands beside jwksUri, which has the keys; remove one of them');
  }
  if (discovery !== undefined && discovery !== 'openid' && discovery !== 'oauth') return { metadataUrl: discovery };
  if (!isSafeUrl(issuer, allowInsecure) || !isPlainUrl(issuer)) {
    throw new SigraConfigError(
      `${path}.issuer`,
      `has no metadata, because it is not ${SAFE_URL}; give jwksUri, or the URL of the metadata in discovery`,
    );
  }
  return {
    metadataUrl:
      discovery === 'oauth'
        ? wellKnownUrl(issuer, SERVER_DOCUMENT).href
        : `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`,
  };
}

interface KeyPlace extends UrlSiblings {
  readonly issuer: string;
  readonly jwksUri: string | undefined;
  readonly discovery: string | undefined;
}

/**
 * An issuer is trusted with the scopes of this application by name, and with all of them only by a function of the
 * application.
 */
function scopesInClaim({ scope }: ForeignClaims): readonly string[] {
  return typeof scope === 'string' ? scope.split(' ').filter((each) => !isWildcard(each)) : [];
}
