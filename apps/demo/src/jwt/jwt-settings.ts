import { createHmac } from 'node:crypto';
import type { JwtOptions } from 'nestjs-sigra';

/** The JWT settings of the environment. */
export interface JwtSettings {
  /** `JWT_SECRET_KEY`, at least 32 bytes. @default undefined: the demo derives a secret */
  readonly secret: string | undefined;
  /** `JWT_CHECK`. @default epoch */
  readonly check: NonNullable<JwtOptions['check']>;
  /** `JWT_ACCESS_TTL`, in seconds. @default 900 */
  readonly accessTtl: number;
  /** `JWT_REUSE_LEEWAY`, in seconds. @default 0 */
  readonly reuseLeeway: number;
}

export const JWT_CHECKS = ['stateless', 'epoch', 'family'] as const satisfies readonly JwtSettings['check'][];

/** Sigra's JWT options. `derivedSecret` is used if the environment sets no secret. */
export function jwtOptions(settings: JwtSettings, derivedSecret: string): JwtOptions {
  const { secret = derivedSecret, ...rest } = settings;
  return { enabled: true, issuer: 'https://sigra-demo.example', audience: 'sigra-demo', secret, ...rest };
}

/**
 * Derives a JWT secret from the secret in the database. It is the same at every start, and all demos that share a
 * database accept each other's JWTs.
 */
export function deriveJwtSecret(databaseSecret: string): string {
  return createHmac('sha256', databaseSecret).update('sigra demo: JWTs').digest('base64url');
}
