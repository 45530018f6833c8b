import { dpopSection } from './dpop.section.js';
import { JWT_ALGORITHMS, jwtKeys, jwtSecret, keyRing } from './jwt-keys.js';
import { callback, integer, oneOf, seconds, text } from './option-kinds.js';
import { type SpecsOf, switchedSection } from './option-section.js';
import { none } from './option-spec.js';
import { SigraConfigError } from './sigra-config-error.js';
import type { JwtAlgorithm, JwtCheck, JwtOptions } from './sigra-options.js';

const NAME = {
  form: 'a non-empty string, for example "https://myapp.example"',
  accepts: 'string of 1 to 2,048 characters',
  matches: (value: string) => value.trim() !== '' && value.length <= 2048,
};

/** The longest `jwt.reuseLeeway`, in seconds. */
export const MAX_REUSE_LEEWAY = 60;

export const jwtSection = switchedSection(
  {
    issuer: text(NAME),
    audience: text({ ...NAME, default: 'api' }),
    clientId: text({ ...NAME, default: ({ audience }: { audience: string }) => audience }),
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
    clockTolerance: seconds({ min: 0, max: 300, default: 5 }),
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
