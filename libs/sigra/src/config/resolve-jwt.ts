import { resolveKeys } from './jwt-keys.js';
import { describe, flag, section, SECONDS, wholeNumber } from './option-checks.js';
import type { JwtConfig } from './sigra-config.js';
import { SigraConfigError } from './sigra-config-error.js';
import type { JwtAlgorithm, JwtCheck } from './sigra-options.js';

const KNOWN = [
  'enabled',
  'issuer',
  'audience',
  'clientId',
  'accessTtl',
  'refreshTtl',
  'absoluteTtl',
  'secret',
  'keys',
  'algorithm',
  'clockTolerance',
  'claims',
  'check',
  'reuseLeeway',
];
const ALGORITHMS: readonly JwtAlgorithm[] = ['HS256', 'RS256', 'ES256'];
const CHECKS: readonly JwtCheck[] = ['stateless', 'epoch', 'family'];

/** @returns nothing when JWTs are not enabled; the other options are then not looked at */
export function resolveJwt(value: unknown): JwtConfig | undefined {
  const jwt = section('jwt', value, KNOWN);
  if (!flag('jwt.enabled', jwt.enabled, false)) return undefined;
  const audience = text('jwt.audience', jwt.audience ?? 'api');
  const refreshTtl = wholeNumber('jwt.refreshTtl', jwt.refreshTtl ?? 2_592_000, SECONDS);
  const accessTtl = wholeNumber('jwt.accessTtl', jwt.accessTtl ?? 900, SECONDS);
  return {
    issuer: text('jwt.issuer', jwt.issuer),
    audience,
    clientId: text('jwt.clientId', jwt.clientId ?? audience),
    accessTtl,
    refreshTtl,
    absoluteTtl: resolveAbsoluteTtl(jwt.absoluteTtl ?? Math.max(7_776_000, refreshTtl), refreshTtl, accessTtl),
    ...resolveSigning(jwt),
    clockTolerance: wholeNumber('jwt.clockTolerance', jwt.clockTolerance ?? 0, { min: 0, max: 300, unit: 'seconds' }),
    claims: resolveClaims(jwt.claims),
    check: oneOf('jwt.check', jwt.check ?? 'epoch', CHECKS),
    reuseLeeway: wholeNumber('jwt.reuseLeeway', jwt.reuseLeeway ?? 0, { min: 0, max: 60, unit: 'seconds' }),
  };
}

function resolveSigning(jwt: Readonly<Record<string, unknown>>): Pick<JwtConfig, 'keys' | 'signingKey'> {
  const ring = resolveKeys(jwt.secret, jwt.keys);
  const algorithm = oneOf('jwt.algorithm', jwt.algorithm ?? ring.signingKey.algorithm, ALGORITHMS);
  if (algorithm !== ring.signingKey.algorithm) {
    throw new SigraConfigError(
      'jwt.algorithm',
      `is ${algorithm}, but the signing key is for ${ring.signingKey.algorithm}; change one of them`,
    );
  }
  return ring;
}

function resolveAbsoluteTtl(value: unknown, refreshTtl: number, accessTtl: number): number {
  const absoluteTtl = wholeNumber('jwt.absoluteTtl', value, SECONDS);
  if (absoluteTtl < refreshTtl || absoluteTtl < accessTtl) {
    throw new SigraConfigError('jwt.absoluteTtl', 'must not be shorter than jwt.refreshTtl and jwt.accessTtl');
  }
  return absoluteTtl;
}

function resolveClaims(value: unknown = () => ({})): JwtConfig['claims'] {
  if (typeof value === 'function') return value as JwtConfig['claims'];
  throw new SigraConfigError('jwt.claims', `must be a function of the user, not ${describe(value)}`);
}

function text(path: string, value: unknown): string {
  if (typeof value === 'string' && value.trim() !== '' && value.length <= 2048) return value;
  throw new SigraConfigError(path, `must be a non-empty string, for example "https://myapp.example"`);
}

function oneOf<T extends string>(path: string, value: unknown, allowed: readonly T[]): T {
  const found = allowed.find((each) => each === value);
  if (found) return found;
  throw new SigraConfigError(path, `must be one of ${allowed.join(', ')}, not ${describe(value)}`);
}
