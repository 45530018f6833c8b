import { createHmac } from 'node:crypto';
import type { JwtOptions } from 'nestjs-sigra';

/** What can be set of JWTs from outside. */
export interface JwtSettings {
  /** `JWT_SECRET_KEY`. Without it the demo makes one. */
  readonly secret: string | undefined;
  /** `JWT_CHECK`. @default epoch */
  readonly check: NonNullable<JwtOptions['check']>;
  /** `JWT_ACCESS_TTL`, in seconds. @default 900 */
  readonly accessTtl: number;
  /** `JWT_REUSE_LEEWAY`, in seconds. @default 0 */
  readonly reuseLeeway: number;
}

export const JWT_CHECKS = ['stateless', 'epoch', 'family'] as const satisfies readonly JwtSettings['check'][];

/** Sigra's options for JWTs. */
export function jwtOptions(settings: JwtSettings, madeSecret: string): JwtOptions {
  const { secret = madeSecret, ...rest } = settings;
  return { enabled: true, issuer: 'https://sigra-demo.example', audience: 'sigra-demo', secret, ...rest };
}

/**
 * A secret of the demo's own making, derived from the one that its migrations put into the database: it stays the same
 * from start to start, and all demos that share a database accept each other's JWTs.
 */
export function deriveJwtSecret(databaseSecret: string): string {
  return createHmac('sha256', databaseSecret).update('sigra demo: JWTs').digest('base64url');
}
