import { dpopSection } from './dpop.section.js';
import { JWT_ALGORITHMS, jwtKeys, jwtSecret, keyRing } from './jwt-keys.js';
import { callback, claimName, clockTolerance, integer, oneOf, seconds } from './option-kinds.js';
import { type SpecsOf, switchedSection } from './option-section.js';
import { none } from './option-spec.js';
import { SigraConfigError } from './sigra-config-error.js';
import type { JwtAlgorithm, JwtCheck, JwtOptions } from './sigra-options.js';

const EXAMPLE = { example: 'https://myapp.example' };

/** The longest `jwt.reuseLeeway`, in seconds. */
export const MAX_REUSE_LEEWAY = 60;

export const jwtSection = switchedSection(
  {
    issuer: claimName(EXAMPLE),
    audience: claimName({ ...EXAMPLE, default: 'api' }),
    clientId: claimName({ ...EXAMPLE, default: ({ audience }: { audience: string }) => audience }),
    accessTtl: seconds({ min: 1, default: 900 }),
    refreshTtl: seconds({ min: 1, default: 2_592_000 }),
    absoluteTtl: seconds({
      min: 1,
      default: ({ refreshTtl }: { refreshTtl: number }) => Math.max(7_776_000, refreshTtl),
    }),
    maxFamiliesPerOwner: integer({ unit: 'families', min: 1, max: 100_000, default: 100 }),
    secret: jwtSecret,
    keys: jwtKeys,
    algorithm: oneOf<JwtAlgorithm, typeof none>(JWT_ALGORITHMS, { default: none }),
    clockTolerance,
    claims: callback<(user: object) => unknown>({
      accepts: '`(user) => claims`, or a promise of the claims',
      expected: 'a function of the user',
      default: () => () => ({}),
    }),
    check: oneOf<JwtCheck, JwtCheck>(['stateless', 'epoch', 'family'], { default: 'epoch' }),
    reuseLeeway: seconds({ min: 0, max: MAX_REUSE_LEEWAY, default: 0 }),
    dpop: dpopSection,
  } satisfies SpecsOf<Omit<JwtOptions, 'enabled'>>,
  ({ secret, keys, algorithm, ...rest }) => {
    if (rest.absoluteTtl < Math.max(rest.refreshTtl, rest.accessTtl)) {
      throw new SigraConfigError('jwt.absoluteTtl', 'must not be shorter than jwt.refreshTtl and jwt.accessTtl');
    }
    const ring = keyRing(secret, keys);
    const signs = ring.signingKey.algorithm;
    if (algorithm && algorithm !== signs) {
      throw new SigraConfigError(
        'jwt.algorithm',
        `is ${algorithm}, but the signing key is for ${signs}; change one of them`,
      );
    }
    return { ...rest, ...ring };
  },
);
